# SPDX-License-Identifier: Apache-2.0
"""A total that is older than the process does not begin with it, whichever way it leaves."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tests.otlp_sink import Sink
from tests.programs import free_port, run

PROGRAM = """
import urllib.request
import otel_setup
from otel_setup.catalogue.model import Counter
for name, older in (("stored.letters", True), ("seen.letters", False)):
    entry = Counter(name=name, unit="{letter}", description="d", why="w")
    otel_setup.observe(entry, lambda: [(7, {})], older=older)
handle = otel_setup.setup(service_name="keeper")
handle.flush()
page = urllib.request.Request("http://127.0.0.1:PORT/metrics")
page.add_header("Accept", "application/openmetrics-text")
print(urllib.request.urlopen(page).read().decode())
handle.shutdown()
"""


def test_a_stored_total_has_no_beginning(sink: Sink) -> None:
    """Prometheus would put a zero there, and count all of it as new at each start."""
    port = free_port()

    ended = run(
        PROGRAM.replace("PORT", str(port)),
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_METRICS_EXPORTER="otlp,prometheus",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(port),
    )

    assert "seen_letters_created" in ended.stdout, ended.stderr
    assert "stored_letters_total" in ended.stdout
    assert "stored_letters_created" not in ended.stdout
    assert set(starts(sink, "stored.letters")) == {0}
    assert min(starts(sink, "seen.letters")) > 0


def starts(sink: Sink, name: str) -> Iterator[int]:
    """Yield when each point of the counter *name* says that it began."""
    for path, body in sink.raw:
        if path != "/v1/metrics":
            continue
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        yield from (each.start_time_unix_nano for each in metric.sum.data_points)
