# SPDX-License-Identifier: Apache-2.0
"""One instrument has so many series and no more, and only the labels that it should have."""

from __future__ import annotations

import hashlib
import inspect
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import Meter, Observation
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics._internal import _view_instrument_match
from opentelemetry.sdk.metrics._internal._view_instrument_match import _ViewInstrumentMatch
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider

from otel_setup import _limits, instruments
from otel_setup._redaction import redacted
from otel_setup.catalogue.model import Counter, Gauge, Label
from otel_setup.redaction import Redactor
from tests.otlp_sink import Sink
from tests.programs import run

LIMIT = 20
USERS = 50
OVERFLOW = {"otel.metric.overflow": True}


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Bound what this test records, and nothing after it."""
    _limits.install(LIMIT, Redactor(limit=100))
    yield
    _limits.uninstall()


class Recorder:
    """A meter, and what two readers find that collect from it."""

    def __init__(self, *views: View, temporality: AggregationTemporality | None = None) -> None:
        of = dict.fromkeys(_KINDS_OF_INSTRUMENT, temporality) if temporality else None
        self.readers = [InMemoryMetricReader(of), InMemoryMetricReader(of)]
        self.provider = MeterProvider(self.readers, shutdown_on_exit=False, views=views)
        self.meter = self.provider.get_meter("app")

    def metric(self, name: str, reader: int = 0) -> Metric:
        """Return the metric *name* as the reader of that number collects it now."""
        data = self.readers[reader].get_metrics_data()
        assert data is not None
        (found,) = [
            metric
            for scope in data.resource_metrics[0].scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return found

    def values(self, name: str, reader: int = 0) -> dict[Any, float]:
        """Return what the points of *name* count, by the value of their one attribute."""
        values = {}
        for point in self.metric(name, reader).data.data_points:
            ((key, value),) = (point.attributes or {}).items()
            shown = OVERFLOW_KEY if {key: value} == OVERFLOW else value
            values[shown] = getattr(point, "count", None) or getattr(point, "value", 0)
        return values


OVERFLOW_KEY = "(overflow)"
_KINDS_OF_INSTRUMENT = [
    getattr(sys.modules["opentelemetry.sdk.metrics"], name)
    for name in ("Counter", "Histogram", "ObservableCounter")
]


def users() -> Iterator[dict[str, str]]:
    """Yield the attributes of as many users as there are."""
    return ({"user": f"user-{number}"} for number in range(USERS))


def observed(create: Callable[..., Any]) -> None:
    """Have each user observed once with 1."""
    create("done", [lambda _options: [Observation(1, each) for each in users()]])


def recorded(record: Callable[[int, Mapping[str, str]], None]) -> None:
    """Record 1 for each user."""
    for each in users():
        record(1, each)


KINDS: dict[str, Callable[[Meter], None]] = {
    "counter": lambda meter: recorded(meter.create_counter("done").add),
    "up-down counter": lambda meter: recorded(meter.create_up_down_counter("done").add),
    "histogram": lambda meter: recorded(meter.create_histogram("done").record),
    "observable counter": lambda meter: observed(meter.create_observable_counter),
    "observable up-down counter": lambda meter: observed(meter.create_observable_up_down_counter),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", [0, 1])
def test_what_has_no_room_is_counted_together(kind: str, reader: int) -> None:
    """The first users keep their series, the others have one, and none is lost."""
    recorder = Recorder()
    KINDS[kind](recorder.meter)
    expected = {f"user-{number}": 1.0 for number in range(LIMIT - 1)}
    values = recorder.values("done", reader)
    assert values == {**expected, OVERFLOW_KEY: USERS - LIMIT + 1}
    assert list(values)[-1] == OVERFLOW_KEY


@pytest.mark.parametrize("name", ["create_gauge", "create_observable_gauge"])
def test_a_gauge_without_room_shows_the_last_value(name: str) -> None:
    """There is no sum of temperatures; what matters is that the series are bounded."""
    recorder = Recorder()
    if name == "create_gauge":
        recorded(recorder.meter.create_gauge("done").set)
    else:
        observed(recorder.meter.create_observable_gauge)
    assert len(recorder.values("done")) == LIMIT
    assert recorder.values("done")[OVERFLOW_KEY] == 1


def test_an_exponential_histogram_is_bounded_too() -> None:
    """The overflow has the aggregation that a view chose."""
    recorder = Recorder(
        View(instrument_name="done", aggregation=ExponentialBucketHistogramAggregation())
    )
    recorded(recorder.meter.create_histogram("done").record)
    assert recorder.values("done")[OVERFLOW_KEY] == USERS - LIMIT + 1


def test_series_that_just_fit_have_no_overflow() -> None:
    """A series of zeros that nobody recorded would be a riddle."""
    recorder = Recorder()
    add = recorder.meter.create_counter("done").add
    for number in range(LIMIT - 1):
        add(1, {"user": str(number)})
    assert OVERFLOW_KEY not in recorder.values("done")
    add(1, {"user": "one more"})
    assert recorder.values("done")[OVERFLOW_KEY] == 1


def test_one_line_says_which_metric_is_full(caplog: pytest.LogCaptureFixture) -> None:
    """However often it happens and however many readers there are."""
    recorder = Recorder()
    counter = recorder.meter.create_counter("done")
    for _time in range(3):
        recorded(counter.add)
        recorder.values("done")
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "OTEL_SETUP_CARDINALITY_LIMIT='20': metric done has more sets of attributes; further ones "
        "are counted together under otel.metric.overflow=true. Leave out the attribute that has "
        "so many values, or raise the limit."
    )


def test_threads_lose_nothing() -> None:
    """They all find the table full at the same time."""
    recorder = Recorder()
    counter = recorder.meter.create_counter("done")
    start = threading.Barrier(8)

    def work(thread: int) -> None:
        start.wait()
        for number in range(500):
            counter.add(1, {"user": f"{thread}-{number}"})

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    recorder.readers[0].get_metrics_data()
    for thread in threads:
        thread.join()
    values = recorder.values("done")
    assert (len(values), sum(values.values())) == (LIMIT, 4000)


def test_an_instrument_that_was_made_before_the_provider_is_bounded() -> None:
    """Modules make theirs at import."""
    proxy = _ProxyMeterProvider()
    counter = proxy.get_meter("app").create_counter("done")
    recorder = Recorder()
    proxy.on_set_meter_provider(recorder.provider)
    recorded(counter.add)
    assert len(recorder.values("done")) == LIMIT


def test_delta_counters_keep_their_totals() -> None:
    """Each collection has what came since the one before."""
    recorder = Recorder(temporality=AggregationTemporality.DELTA)
    counter = recorder.meter.create_counter("done")
    for _time in range(2):
        recorded(counter.add)
        assert sum(recorder.values("done").values()) == USERS


def test_a_gauge_may_go_on_to_other_attributes() -> None:
    """What is observed no more makes room: the busiest users of today are not yesterday's."""
    recorder = Recorder()
    day = 0
    recorder.meter.create_observable_gauge(
        "busy", [lambda _options: [Observation(1, {"user": f"{day}-{n}"}) for n in range(9)]]
    )
    for _day in range(20):
        day += 1
        assert recorder.values("busy") == {f"{day}-{number}": 1 for number in range(9)}


def test_a_counter_that_is_observed_again_goes_on() -> None:
    """One that is forgotten for want of room begins anew; there was room here."""
    recorder = Recorder()
    seen = True
    recorder.meter.create_observable_counter(
        "done", [lambda _options: [Observation(7, {"user": "bob"})] if seen else []]
    )
    recorder.meter.create_counter("other").add(1)
    (first,) = recorder.metric("done").data.data_points
    seen = False
    assert recorder.readers[0].get_metrics_data() is not None
    seen = True
    (second,) = recorder.metric("done").data.data_points
    assert second.start_time_unix_nano == first.start_time_unix_nano


def test_a_counter_may_go_on_to_other_attributes() -> None:
    """Once it is full, what is observed no more makes room."""
    recorder = Recorder()
    day = 0
    recorder.meter.create_observable_counter(
        "done", [lambda _options: [Observation(1, {"user": f"{day}-{n}"}) for n in range(5)]]
    )
    for _day in range(20):
        day += 1
        values = recorder.values("done")
        assert sum(values.values()) == 5
    assert len(values) == 5


def test_a_series_that_is_known_is_found_by_the_dict_itself() -> None:
    """Recording to it costs what it costs without bounds."""
    assert "__contains__" not in vars(_limits._Series)
    assert "__getitem__" not in vars(_limits._Series) | vars(_limits._Full)


def test_memory_does_not_grow_with_what_has_no_room() -> None:
    """The overflow keeps no attributes."""
    recorder = Recorder()
    counter = recorder.meter.create_counter("done")

    def hostile(times: range) -> None:
        for number in times:
            counter.add(1, {"user": f"user-{number}", "path": f"/{number}"})

    hostile(range(1000))
    before = sys.getallocatedblocks()
    hostile(range(1000, 20_000))
    assert sys.getallocatedblocks() - before < 1000


MILLION = """
import gc, os, psutil, sys
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from otel_setup import _limits
from otel_setup.redaction import Redactor
_limits.install(2000, Redactor())
meter = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False).get_meter("app")
record = meter.create_histogram("done").record

def hostile(times):
    for number in range(times):
        record(1, {"user": os.urandom(16).hex()})

def used():
    gc.collect()
    return psutil.Process().memory_info().rss, sys.getallocatedblocks()

hostile(20_000)
before = used()
hostile(1_000_000)
print(*(now - then for now, then in zip(used(), before)))
"""


@pytest.mark.stack
def test_a_million_users_cost_no_memory() -> None:
    """What a process has after warm-up it has for good."""
    ended = subprocess.run(
        [sys.executable, "-c", MILLION],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
    memory, objects = (int(number) for number in ended.stdout.split())
    assert memory < 2 * 1024 * 1024
    assert objects < 1000


PROGRAM = """
from opentelemetry import metrics
counter = metrics.get_meter("app").create_counter("requests")
for number in range(10_000):
    counter.add(1, {"user.id": f"user-{number}"})
"""


def test_ten_thousand_users_are_two_thousand_series(sink: Sink) -> None:
    """What arrives at a Collector by default, and the line that the operator reads."""
    ended = run(PROGRAM, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_METRIC_EXPORT_INTERVAL="60000")
    points = sink.metric("requests")
    (overflow,) = [point for point in points if "otel.metric.overflow" in point.attributes]
    assert overflow.attributes == OVERFLOW
    assert overflow.attributes["otel.metric.overflow"] is True
    assert len(points) <= 2001
    assert sum(point.value for point in points) == 10_000
    lines = ended.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("OTEL_SETUP_CARDINALITY_LIMIT='2000': metric requests has more")


# What becomes a label.

ORDERS = Counter(
    name="shop.orders",
    unit="{order}",
    description="Orders.",
    why="Money.",
    attributes={"kind": Label("what was ordered", values=("part", "kit"))},
)
WAITING = Gauge(
    name="shop.waiting",
    unit="{order}",
    description="Orders that wait.",
    why="Patience.",
    attributes={"kind": Label("what was ordered", values=("part", "kit"))},
)


def labels(metric: Metric) -> list[Mapping[str, object]]:
    """Return the attributes of each point."""
    return [dict(point.attributes or {}) for point in metric.data.data_points]


def test_upstreams_metrics_have_the_labels_of_the_catalogue() -> None:
    """Whoever records them: a Host header makes no series."""
    recorder = Recorder(*_limits.views())
    histogram = recorder.meter.create_histogram("http.server.request.duration", "s")
    for number in range(3):
        histogram.record(1, {"http.route": "/", "http.host": f"host-{number}", "user": number})
    assert labels(recorder.metric("http.server.request.duration")) == [{"http.route": "/"}]


def test_providers_with_views_of_their_own_have_the_labels_of_the_catalogue() -> None:
    """Those that a configuration file describes."""
    recorder = Recorder()
    recorder.meter.create_counter("process.cpu.time").add(1, {"cpu.mode": "user", "pid": 7})
    assert labels(recorder.metric("process.cpu.time")) == [{"cpu.mode": "user"}]


def test_a_view_of_the_user_decides() -> None:
    """Somebody who asks for another label has it, within the bound."""
    recorder = Recorder(View(instrument_name="process.cpu.time", attribute_keys={"pid"}))
    recorder.meter.create_counter("process.cpu.time").add(1, {"cpu.mode": "user", "pid": 7})
    assert labels(recorder.metric("process.cpu.time")) == [{"pid": 7}]


def test_a_companys_metrics_have_the_labels_of_their_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are known when their instruments are made, after the provider."""
    recorder = Recorder()
    monkeypatch.setattr(instruments.metrics, "get_meter", lambda _name: recorder.meter)
    monkeypatch.setattr(instruments, "ENTRIES", {})
    orders = instruments.instrument(ORDERS)
    instruments.observe(WAITING, lambda: [(3, {"kind": "kit", "user": "bob"})])
    for user in ("bob", "eve"):
        orders.add(1, {"kind": "part", "user": user})
    assert labels(recorder.metric("shop.orders")) == [{"kind": "part"}]
    assert labels(recorder.metric("shop.waiting")) == [{"kind": "kit"}]


def test_other_metrics_keep_all_their_labels() -> None:
    """Nobody described them."""
    recorder = Recorder()
    recorder.meter.create_counter("done").add(1, {"a": "1", "b": "2"})
    assert labels(recorder.metric("done")) == [{"a": "1", "b": "2"}]


class Kept(MetricExporter):
    """An exporter that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.data: list[MetricsData] = []

    def export(self, metrics_data: MetricsData, *_args: Any, **_kwargs: Any) -> MetricExportResult:
        """Keep *metrics_data*."""
        self.data.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing."""
        return timeout_millis > 0

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        """Do nothing."""


def test_an_exemplar_brings_nothing_back_that_is_no_label() -> None:
    """It has the trace, which says who it was to those who may see traces."""
    recorder = Recorder(*_limits.views())
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("app")
    histogram = recorder.meter.create_histogram("http.server.request.duration", "s")
    counter = recorder.meter.create_counter("done")
    with tracer.start_as_current_span("request") as span:
        histogram.record(1, {"http.route": "/", "user.id": "bob"})
        recorded(counter.add)
    data = recorder.readers[0].get_metrics_data()
    assert data is not None
    kept = Kept()
    redacted("metrics", kept, Redactor()).export(data)
    exemplars = [
        exemplar
        for scope in kept.data[0].resource_metrics[0].scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        for exemplar in point.exemplars
    ]
    assert len(exemplars) == LIMIT + 1
    assert [exemplar.filtered_attributes for exemplar in exemplars] == [{}] * (LIMIT + 1)
    assert {exemplar.trace_id for exemplar in exemplars} == {span.get_span_context().trace_id}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_labels_have_no_secrets_and_series_that_become_one_are_one() -> None:
    """Two series under one name would be wrong; their sum is right."""
    recorder = Recorder()
    counter = recorder.meter.create_counter("done")
    for token in ("a1", "b2", "b2"):
        counter.add(1, {"url": f"http://host/x?token={token}"})
    for reader in (0, 1):
        (point,) = recorder.metric("done", reader).data.data_points
        assert point.attributes == {"url": "http://host/x?token=REDACTED"}
        assert point.value == 3


def test_labels_are_cut_like_other_attributes() -> None:
    """The longest value of an attribute is a hundred characters here."""
    recorder = Recorder()
    recorder.meter.create_counter("done").add(1, {"text": "x" * 300})
    assert recorder.values("done") == {"x" * 100: 1}


# The SDK that this is built on.

#: Of the class that is changed, in the version of the SDK that the package asks for.
KNOWN = "d392fa35c527bc2b220119564f9eba89cb4595569f9b323723c82aab583a922c"


def test_the_sdk_is_the_one_that_is_known() -> None:
    """
    The bounds change a private class of the SDK.

    When this fails, read that class again: does `_Series` still hold? Then write the new sum.
    """
    source = inspect.getsource(_view_instrument_match)
    assert hashlib.sha256(source.encode()).hexdigest() == KNOWN


def test_an_unknown_sdk_is_said_once_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Telemetry works there, without bounds."""
    _limits.uninstall()

    def collect(self: object) -> None:
        """Do what no version did so far."""

    with monkeypatch.context() as patched:
        patched.setattr(_ViewInstrumentMatch, "collect", collect)
        _limits.install(2000, Redactor())
    with caplog.at_level(logging.WARNING):
        recorder = Recorder()
        recorded(recorder.meter.create_counter("done").add)
    assert len(recorder.values("done")) == USERS
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "OTEL_SETUP_CARDINALITY_LIMIT='2000': series are not bounded: this version of "
        "opentelemetry-sdk is not known (collect without _attributes_aggregation). Install one "
        "that otel-setup asks for."
    )


def test_bounds_can_be_taken_away() -> None:
    """The SDK is as it was."""
    _limits.uninstall()
    assert not hasattr(_ViewInstrumentMatch.__init__, "__wrapped__")
    _limits.uninstall()
