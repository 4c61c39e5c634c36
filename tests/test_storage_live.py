# SPDX-License-Identifier: Apache-2.0
"""From a storage through the scanner to the panels: real parts, and numbers that agree."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from otel_setup.catalogue import storage
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import rules
from tests.programs import environment
from tests.prometheus_server import Prometheus
from tests.storage_server import StorageServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

CATALOGUE = Catalogue(
    title="Mine", components=(storage.COMPONENT,), dashboards=(storage.DASHBOARD,)
)


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageServer]:
    with StorageServer(tmp_path_factory.mktemp("storage")) as started:
        yield started


@pytest.fixture(scope="module", name="bucket")
def _bucket(server: StorageServer) -> str:
    """A bucket with two models, a draft and an upload that nobody ended."""
    bucket, client = server.bucket(), server.client()
    for key, size in {"models/a": 1000, "models/b": 234, "tmp/c": 5}.items():
        client.put_object(Bucket=bucket, Key=key, Body=bytes(size))
    upload = client.create_multipart_upload(Bucket=bucket, Key="models/d")["UploadId"]
    client.upload_part(Bucket=bucket, Key="models/d", UploadId=upload, PartNumber=1, Body=bytes(77))
    return bucket


@pytest.fixture(scope="module", name="prometheus")
def _prometheus(
    server: StorageServer, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus with our rules, to which a scanner of all buckets sends what it finds."""
    assert bucket
    folder = tmp_path_factory.mktemp("prometheus")
    (text,) = rules.pages(CATALOGUE).values()
    prometheus = Prometheus(folder, rules=text)
    variables = environment(
        **server.variables,
        STORAGE_SCAN_ENDPOINT=server.url,
        STORAGE_SCAN_INTERVAL="2",
        STORAGE_SCAN_CLASSES="models=models/,drafts=tmp/",
        STORAGE_SCAN_CAPACITY="10000",
        STORAGE_SCAN_PAGES_PER_SECOND="100",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{prometheus.url}/api/v1/otlp",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRIC_EXPORT_INTERVAL="1000",
    )
    command = [sys.executable, "-m", "otel_setup.storage"]
    with (folder / "scanner.log").open("w") as log:
        scanner = subprocess.Popen(command, env=variables, stderr=log)
    try:
        yield prometheus
    finally:
        for process in (scanner, prometheus.process):
            process.kill()
            process.wait()


def values(prometheus: Prometheus, query: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return what *query* gives once it gives anything, by *labels*."""
    found: list[Any] = prometheus.wait_for("query", query=query)
    return {
        tuple(each["metric"].get(name, "") for name in labels): float(each["value"][1])
        for each in found
    }


def test_sizes_in_prometheus_are_those_of_the_storage(prometheus: Prometheus, bucket: str) -> None:
    """By bucket and class, in bytes and objects, unfinished uploads apart; and all together."""
    names = [(bucket, name) for name in ("models", "drafts", "other")]

    def by_class(name: str) -> dict[tuple[str, ...], float]:
        return values(prometheus, name, "aws_s3_bucket", "storage_prefix_class")

    assert by_class("storage_bucket_size_bytes") == dict(zip(names, (1234, 5, 0), strict=True))
    assert by_class("storage_bucket_objects") == dict(zip(names, (2, 1, 0), strict=True))
    assert values(prometheus, "storage_bucket_unfinished_size_bytes", "aws_s3_bucket") == {
        (bucket,): 77
    }
    assert values(prometheus, "storage_bucket_unfinished_uploads", "aws_s3_bucket") == {
        (bucket,): 1
    }
    assert values(prometheus, storage.USED.name, "job") == {("storage-scanner",): 1234 + 5 + 77}


@pytest.mark.parametrize(
    "panel",
    [each for each in storage.DASHBOARD.panels if not each.may_be_empty],
    ids=lambda each: each.title,
)
def test_every_panel_has_data(prometheus: Prometheus, panel: Any) -> None:
    """Each of its queries."""
    for query in panel.queries:
        assert values(prometheus, query.expr.over("1m").text)


def test_it_says_when_the_storage_is_full(
    prometheus: Prometheus, server: StorageServer, bucket: str
) -> None:
    """What grows has an end, and who deletes it again has none."""
    for number in range(5):
        server.client().put_object(Bucket=bucket, Key=f"models/{number}", Body=bytes(100))
        time.sleep(1)
    (left,) = (each for each in storage.DASHBOARD.panels if each.may_be_empty)

    (seconds,) = values(prometheus, left.queries[0].expr.text).values()

    assert 0 < seconds < 86_400


def test_what_it_sends_is_what_the_catalogue_says(prometheus: Prometheus) -> None:
    """Every metric is there, and none that is unknown, nor a label."""
    values(prometheus, "storage_scan_duration_seconds_count")
    values(prometheus, storage.USED.name)
    known = {
        series: {*metric.labels, "__name__", "job", "instance", "le"}
        for metric in CATALOGUE.metrics.values()
        for series in metric.series
    }
    found = prometheus.ask("series", **{"match[]": '{__name__=~".*storage_.+"}'})

    assert {each["__name__"] for each in found} == known.keys()
    assert [
        (each["__name__"], label)
        for each in found
        for label in each
        if not label.startswith("otel_scope_") and label not in known.get(each["__name__"], ())
    ] == []
