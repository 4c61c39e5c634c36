# SPDX-License-Identifier: Apache-2.0
"""What a real Prometheus stores is the same, scraped from our page or pushed to it by OTLP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from otel_setup._prometheus import PageReader
from otel_setup._prometheus.exposition import Wanted
from tests import built
from tests.programs import free_port
from tests.prometheus_server import Prometheus

pytestmark = pytest.mark.stack

#: Units that Prometheus spells out, units that it does not know, and annotations.
UNITS = (
    *("s", "ms", "min", "By", "KiBy", "1", "%", "{order}", "", "By/s", "{order}/s", "m/s"),
    *("1/s", "By/{order}", "V", "Cel", "foo/bar", "m/mo", "a b", "s/"),
)
NAMES = (
    *("shop.orders.created", "a.seconds.b", "x_total", "total", "wait.total.time"),
    *("cache.ratio", "Camel.Case", "with-dash/slash", "double__under", "bytes"),
)
ATTRIBUTES: dict[str, Any] = {
    "http.route": '/a"b\\c\nd/{id}',
    "9lives": "cat",
    "_private": "x",
    "a.b": "first",
    "a_b": "second",
    "flag": True,
    "whole": 7,
    "part": 0.25,
    "round": 3.0,
    "list": ["a", "b"],
    "empty": "",
    "ünï": "ö",
}


def record(meter: Meter, kind: str, name: str, unit: str) -> None:
    """Make one instrument and give it values with odd attributes."""

    def observe(_options: CallbackOptions) -> list[Observation]:
        return [Observation(2.5, ATTRIBUTES)]

    if kind == "counter":
        meter.create_counter(name, unit, "help").add(3, ATTRIBUTES)
    elif kind == "updown":
        meter.create_up_down_counter(name, unit).add(-2, ATTRIBUTES)
    elif kind == "gauge":
        meter.create_observable_gauge(name, [observe], unit)
    else:
        for value in (0.001, 3, 20_000):
            meter.create_histogram(name, unit).record(value, ATTRIBUTES)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus after it took the same metrics in both ways."""
    page = PageReader("127.0.0.1", free_port())
    assert page.port
    folder = tmp_path_factory.mktemp("prometheus")
    started = Prometheus(folder, page.port)
    exporter = OTLPMetricExporter(endpoint=f"{started.url}/api/v1/otlp/v1/metrics")
    push = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    resource = Resource(
        {"service.name": "pushed", "service.instance.id": "one", "service.version": "1.2"}
    )
    provider = MeterProvider([page, push], resource=resource, shutdown_on_exit=False)
    for index, (version, unit) in enumerate((("1", "s"), ("2", "s"))):
        record(provider.get_meter("same.name", version), "counter", "two.scopes", unit)
        record(provider.get_meter(f"scope{index}", "1"), "histogram", "two.scopes.time", unit)
    meter = provider.get_meter(
        "library", "1.0", schema_url="https://x/1", attributes={"flavour": "sweet"}
    )
    kinds = ("counter", "updown", "gauge", "histogram")
    for kind in kinds:
        for index, unit in enumerate(UNITS):
            record(meter, kind, f"unit{index}.{kind}", unit)
        for name in NAMES:
            record(provider.get_meter(f"names.{kind}"), kind, f"{kind}.{name}", "s")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("work"):
        record(meter, "histogram", "traced", "s")
        record(meter, "counter", "traced.count", "")
    try:
        started.wait_for("query", query="up == 1")
        assert push.force_flush()
        started.wait_for("series", **{"match[]": '{job="pushed"}'})
        yield started
    finally:
        provider.shutdown()
        started.process.kill()
        started.process.wait()


def values(prometheus: Prometheus, job: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the values of *job* by name and labels, without what says where they come from."""
    query = f'{{job="{job}",__name__!~"target_info|up|scrape_.*"}}'
    return {
        tuple(
            sorted(
                # OTLP's le is "10", that of a page "10.0".
                (key, str(float(value)) if key == "le" else value)
                for key, value in each["metric"].items()
                if key not in {"job", "instance"}
            )
        ): float(each["value"][1])
        for each in prometheus.wait_for("query", query=query)
    }


def test_both_ways_give_the_same(prometheus: Prometheus) -> None:
    """Names, units, suffixes, buckets, labels, scopes and values: nothing differs or is missing."""
    pushed, scraped = values(prometheus, "pushed"), values(prometheus, "direct")
    assert len(pushed) > 600
    assert sorted(scraped.keys() - pushed.keys()) == []
    assert sorted(pushed.keys() - scraped.keys()) == []
    assert scraped == pushed


def test_what_is_known_of_the_process_is_in_target_info(prometheus: Prometheus) -> None:
    """The page has all of the resource; OTLP has what it does not make into labels."""
    (target,) = prometheus.wait_for("query", query='target_info{job="direct"}')
    assert target["metric"]["service_version"] == "1.2"
    assert target["metric"]["service_name"] == "pushed"


def test_exemplars_of_the_page_reach_prometheus(prometheus: Prometheus) -> None:
    """A bucket and a counter name the trace."""
    for name in ("traced_seconds_bucket", "traced_count_total"):
        found = prometheus.wait_for(
            "query_exemplars", query=f'{name}{{job="direct"}}', start="0", end="9999999999"
        )
        assert {len(each["labels"]["trace_id"]) for each in found[0]["exemplars"]} == {32}


def test_a_counter_rises_from_zero_to_its_first_value(prometheus: Prometheus) -> None:
    """The page says when a counter began, so its first value is a rise."""
    query = 'max_over_time(two_scopes_seconds_total{job="direct"}[5m]) - min_over_time('
    query += 'two_scopes_seconds_total{job="direct"}[5m])'
    found = prometheus.wait_for("query", query=query)
    assert [each["value"][1] for each in found] == ["3", "3"]


def test_promtool_has_nothing_to_say_against_a_page() -> None:
    """Neither the format nor a name of the catalogue's kinds breaks its rules."""
    page = PageReader("127.0.0.1", free_port())
    provider = MeterProvider([page], shutdown_on_exit=False)
    meter = provider.get_meter("library", "1.0")
    meter.create_counter("shop.orders.created", "{order}", "Orders.").add(1, ATTRIBUTES)
    meter.create_histogram("http.server.request.duration", "s", "Time.").record(1, ATTRIBUTES)
    meter.create_up_down_counter("http.server.active_requests", "{request}", "Now.").add(1)
    _, _, body = page.answer(Wanted(openmetrics=False, packed=False))
    provider.shutdown()
    ended = subprocess.run(
        [built.path("promtool"), "check", "metrics"],
        input=body,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
