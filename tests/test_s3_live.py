# SPDX-License-Identifier: Apache-2.0
"""What a real client of a real storage sends is what panels show and the guide asks for."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_setup.catalogue import s3
from otel_setup.catalogue.promql import WINDOW
from tests.live_metrics import declared, labels, measured, queries, rules_of, value
from tests.prometheus_server import Prometheus
from tests.s3_faults import INTERNAL, SLOW_DOWN, Exchange, Fault
from tests.s3_proxy import S3Proxy
from tests.storage_server import StorageServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

_PROGRAM = Path(__file__).with_name("s3_programs") / "everything.py"
_GUIDE = (Path(__file__).parents[1] / "docs" / "s3.md").read_text()
QUERIES = queries(s3.DASHBOARD)
OF_GUIDE = re.findall(r"^```promql\n(.*?)^```$", _GUIDE, re.MULTILINE | re.DOTALL)


def faults() -> Callable[[Exchange], Fault | None]:
    """Return what the proxy does: one key is throttled at every other attempt, one is ill."""
    attempts = itertools.count()

    def rule(exchange: Exchange) -> Fault | None:
        if exchange.key == "ill":
            return INTERNAL
        if exchange.key == "throttled":
            return None if next(attempts) % 2 else SLOW_DOWN
        return None

    return rule


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with our rules, to which a client of the storage sends what it measures."""
    with (
        StorageServer(tmp_path_factory.mktemp("storage")) as storage,
        S3Proxy(storage.port) as proxy,
    ):
        proxy.rules.append(faults())
        with measured(
            tmp_path_factory.mktemp("prometheus"),
            rules_of("s3"),
            _PROGRAM,
            **storage.variables,
            STORAGE=proxy.url,
            BUCKET=storage.bucket(),
            NOWHERE="no-such-bucket",
        ) as started:
            yield started


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_has_something_to_show(prometheus: Prometheus, query: str) -> None:
    """Its metrics and labels are called so, and the numbers are numbers."""
    assert WINDOW not in QUERIES[query]
    assert math.isfinite(value(prometheus, QUERIES[query]))


@pytest.mark.parametrize("query", OF_GUIDE)
def test_every_query_of_the_guide_has_an_answer(prometheus: Prometheus, query: str) -> None:
    """As it stands there."""
    assert math.isfinite(value(prometheus, query))


def test_what_arrives_is_what_the_catalogue_says(prometheus: Prometheus) -> None:
    """Every metric, with just the labels that its entry has."""
    for query in (
        'aws_s3_client_transfer_duration_seconds_count{error_type!="",}',
        'aws_s3_client_transfer_duration_seconds_count{aws_s3_transfer_outcome="unread"}',
        "aws_s3_client_throttles_total",
    ):
        prometheus.wait_for("query", query=query)
    assert labels(prometheus, "aws_s3_") == declared(s3.METRICS)


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("sum by (error_type) (aws_s3_client_retries_total)", {"SlowDown", "InternalError"}),
        (
            'sum by (error_type) (aws_s3_client_operation_duration_seconds_count{error_type!=""})',
            {"InternalError", "NoSuchBucket"},
        ),
        (
            "sum by (aws_s3_transfer_outcome) (aws_s3_client_transfer_duration_seconds_count)",
            {"completed", "failed", "abandoned", "unread"},
        ),
    ],
)
def test_each_fault_has_its_name(prometheus: Prometheus, query: str, codes: set[str]) -> None:
    """A retry says why the attempt before failed, a call what it failed with, and no others do."""
    prometheus.wait_for("query", query=f"count({query}) == {len(codes)}")
    found = prometheus.wait_for("query", query=query)
    assert {next(iter(each["metric"].values())) for each in found} == codes


def test_what_is_forgotten_is_not_in_progress(prometheus: Prometheus) -> None:
    """Bodies that nobody reads do not pile up once Python has let them go."""
    unread = 'aws_s3_client_transfer_duration_seconds_count{aws_s3_transfer_outcome="unread"} > 5'
    prometheus.wait_for("query", query=unread)
    assert value(prometheus, "max(aws_s3_client_active_transfers)") < 5
