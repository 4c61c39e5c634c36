# SPDX-License-Identifier: Apache-2.0
"""The test kit: what it shows, how it fails, and that it leaves nothing behind."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import re
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry import _logs, context, metrics, trace
from opentelemetry._logs import _internal as logs_api
from opentelemetry.metrics import _internal as metrics_api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_setup import instrument, observe
from otel_setup.catalogue import model
from otel_setup.instrumentation.logs import lines
from otel_setup.testing import Telemetry, recorded
from tests.programs import run

DOCS = Path(__file__).parents[1] / "docs"
WORDS = {"unit": "{order}", "description": "Orders.", "why": "Business."}
OUTCOME = {"outcome": model.Label("how it ended", values=("ok", "error"))}

# Made before any provider, as programs do.
ORDERS = instrument(model.Counter(name="kit.orders", attributes=OUTCOME, **WORDS))
TIMES = instrument(model.Histogram(name="kit.time", attributes=OUTCOME, **WORDS))
QUEUE = model.Gauge(name="kit.queue", **WORDS)
#: Empty outside of this module: what is observed at import is observed in all tests.
WAITING: list[tuple[float, dict[str, str]]] = []
observe(QUEUE, lambda: WAITING)
TRACER = trace.get_tracer("kit")
LEVEL = metrics.get_meter("kit").create_gauge("kit.level")
EVENTS = _logs.get_logger("kit")


@pytest.fixture(autouse=True)
def _queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have three orders wait."""
    monkeypatch.setattr(f"{__name__}.WAITING", [(3, {})])


@pytest.mark.parametrize("time", ["first", "second"])
def test_what_was_made_at_import_is_recorded_in_each_test(otel: Telemetry, time: str) -> None:
    """Each test starts from nothing, with ids and times from the start."""
    ORDERS.add(2, {"outcome": "ok"})
    LEVEL.set(7)
    with TRACER.start_as_current_span("order", attributes={"time": time}):
        logging.getLogger("kit").warning("late")
    EVENTS.emit(body="event")

    assert otel.metric("kit.orders").by("outcome") == {"ok": 2}
    assert (otel.metric("kit.queue").value(), otel.metric("kit.level").value()) == (3, 7)
    (span,) = otel.spans
    assert (span.trace_id, span.span_id) == (f"{1:032x}", f"{1:016x}")
    assert (span.start, span.end, span.seconds) == (1.0, 3.0, 2.0)
    assert [(log.message, log.span_id, log.time) for log in otel.logs] == [
        ("late", span.span_id, 2.0),
        ("event", "", 4.0),
    ]


def test_a_span_has_all_that_was_said_about_it(otel: Telemetry) -> None:
    """As plain values, to compare."""
    with TRACER.start_as_current_span("parent") as parent:
        link = trace.Link(parent.get_span_context())
    with (
        pytest.raises(ValueError, match="no stock"),
        TRACER.start_as_current_span("buy", kind=trace.SpanKind.SERVER, links=[link]),
    ):
        raise ValueError("no stock")
    span = otel.span("buy")
    assert (span.kind, span.scope, span.parent_id) == ("SERVER", "kit", "")
    assert (span.status, span.status_text) == ("ERROR", "ValueError: no stock")
    assert span.links == ((otel.span("parent").trace_id, otel.span("parent").span_id),)
    (event,) = span.events
    assert (event.name, event.attributes["exception.type"], event.time) == (
        "exception",
        "ValueError",
        4.0,
    )


def test_a_child_knows_its_parent(otel: Telemetry) -> None:
    """Across a thread too, when its context is carried."""
    with TRACER.start_as_current_span("parent"):
        thread = threading.Thread(
            target=lambda at: TRACER.start_span("child", at).end(), args=(context.get_current(),)
        )
        thread.start()
        thread.join()
    assert otel.span("child").parent_id == otel.span("parent").span_id


def test_a_tracer_decorates_functions(otel: Telemetry) -> None:
    """A decorator runs at import as well."""

    @TRACER.start_as_current_span("decorated")
    def work() -> int:
        return 7

    assert (work(), work(), len(otel.spans)) == (7, 7, 2)


def test_a_histogram_has_sum_buckets_and_exemplars(otel: Telemetry) -> None:
    """An exemplar leads to its span."""
    with TRACER.start_as_current_span("slow"):
        TIMES.record(0.3, {"outcome": "ok"})
    metric, span = otel.metric("kit.time"), otel.span("slow")
    point = metric.point({"outcome": "ok"})
    assert (metric.kind, metric.unit, metric.total) == ("histogram", "{order}", 1)
    assert (point.value, point.sum, point.buckets[0.5], point.buckets[0.25]) == (1, 0.3, 1, 0)
    assert point.exemplars == ((span.trace_id, span.span_id),)


def test_time_passes_on_request(otel: Telemetry) -> None:
    """Whoever tests a time-out need not wait."""
    with TRACER.start_as_current_span("wait"):
        otel.clock.advance(59)
    assert otel.span("wait").seconds == 60
    assert otel.clock.now == 61


def test_points_of_other_labels_are_added_up(otel: Telemetry) -> None:
    """Several labels make tuples; one that is absent is None."""
    otel.checked = False
    ORDERS.add(1, {"outcome": "ok", "shop": "a"})
    ORDERS.add(2, {"outcome": "ok", "shop": "b"})
    ORDERS.add(4)
    metric = otel.metric("kit.orders")
    assert metric.by("outcome") == {"ok": 3, None: 4}
    assert metric.by("outcome", "shop") == {("ok", "a"): 1, ("ok", "b"): 2, (None, None): 4}
    assert metric.total == 7


def message(call: object) -> str:
    """Return what the AssertionError of *call* says."""
    with pytest.raises(AssertionError) as raised:
        call()  # type: ignore[operator]
    return str(raised.value)


def test_failures_show_what_there_is(otel: Telemetry) -> None:
    """A typing error is seen without a debugger."""
    ORDERS.add(2, {"outcome": "ok"})
    with TRACER.start_as_current_span("order"):
        logging.getLogger("kit").warning("late")
    assert message(lambda: otel.span("oder")) == (
        "expected one span 'oder', found 0. Spans that ended: 'order'"
    )
    assert message(lambda: otel.log("early")) == (
        "expected one log record with 'early', found 0. There are:\n  WARN kit: late"
    )
    assert message(lambda: otel.metric("kit.oders")).startswith(
        "metric 'kit.oders' was not recorded. Metrics: "
    )
    assert message(lambda: otel.metric("kit.orders").value({"outcome": "error"})) == (
        "metric 'kit.orders': expected one point with {'outcome': 'error'}, found 0. "
        "There are:\n  {'outcome': 'ok'} = 2"
    )


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (
            {"outcom": "ok"},
            (
                "metric 'kit.orders': label outcom='ok' is not in its entry, which has 'outcome'. "
                "Add it to attributes= of the entry, or do not record it."
            ),
        ),
        (
            {"outcome": "maybe"},
            (
                "metric 'kit.orders': label outcome='maybe' is none of the entry's values "
                "'ok', 'error'. Add it to values= of the label, or map it to one of them."
            ),
        ),
    ],
)
def test_what_the_catalogue_does_not_allow_fails(labels: dict[str, str], problem: str) -> None:
    """The message names the metric, the label, the value and the way out."""

    def wrong() -> None:
        with recorded():
            ORDERS.add(1, labels)

    assert message(wrong) == problem


def test_a_label_without_a_bound_fails() -> None:
    """Twenty users are no reason for a million series."""
    entry = model.Counter(
        name="kit.users", attributes={"user": model.Label("who", at_most=2)}, **WORDS
    )

    def wrong() -> None:
        with recorded():
            for user in ("a", "b", "c"):
                instrument(entry).add(1, {"user": user})

    assert message(wrong) == (
        "metric 'kit.users': label 'user' has 3 values, the entry says at_most=2. "
        "Something without a bound becomes a label."
    )


def test_an_error_of_the_block_is_not_hidden_by_the_check() -> None:
    """The test's own failure comes first."""

    def fail() -> None:
        with recorded():
            ORDERS.add(1, {"outcom": "ok"})
            raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        fail()


def test_what_a_test_observes_ends_with_it() -> None:
    """Its callback reads what is gone by then."""
    with recorded() as first:
        observe(model.Gauge(name="kit.own", **WORDS), lambda: [(1, {})])
        assert first.metric("kit.own").value() == 1
    with recorded() as second:
        assert "kit.own" not in second.metrics


def test_an_instrument_that_is_made_in_one_test_is_recorded_in_the_next() -> None:
    """A module may be imported by the first test that needs it."""
    with recorded():
        made = instrument(model.Counter(name="kit.late", **WORDS))
    with recorded() as later:
        made.add(1)
    assert later.metric("kit.late").value() == 1


def test_the_inner_recording_records() -> None:
    """The outer one goes on behind it."""
    with recorded() as outer:
        with recorded() as inner:
            ORDERS.add(1, {"outcome": "ok"})
        ORDERS.add(5, {"outcome": "ok"})
    assert inner.metric("kit.orders").total == 1
    assert outer.metric("kit.orders").total == 5


def test_a_trace_that_was_left_open_is_no_parent() -> None:
    """Another test's fault stays there."""
    span = trace.NonRecordingSpan(trace.SpanContext(7, 7, is_remote=False))
    token = context.attach(trace.set_span_in_context(span))
    try:
        with recorded() as otel, TRACER.start_as_current_span("root"):
            pass
    finally:
        context.detach(token)
    assert otel.span("root").parent_id == ""


def test_variables_of_the_machine_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test means the same everywhere, also where telemetry is switched off."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    with recorded() as otel, TRACER.start_as_current_span("order"):
        ORDERS.add(1, {"outcome": "ok"})
    assert otel.span("order").name == "order"
    assert otel.metric("kit.orders").total == 1
    assert os.environ["OTEL_TRACES_SAMPLER"] == "always_off"


def providers() -> tuple[object, ...]:
    """Return what the API holds, and whether it would take another one."""
    return (
        *(trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE._done),
        *(metrics_api._METER_PROVIDER, metrics_api._METER_PROVIDER_SET_ONCE._done),
        *(logs_api._LOGGER_PROVIDER, logs_api._LOGGER_PROVIDER_SET_ONCE._done),
    )


def test_the_api_is_left_as_it_was() -> None:
    """Also by a block that raises."""
    before = providers()
    with pytest.raises(KeyError), recorded():
        raise KeyError
    assert providers() == before


def test_providers_that_come_later_get_what_is_recorded_later() -> None:
    """The kit stands in between, but takes nothing outside of its block."""
    with recorded():
        ORDERS.add(1, {"outcome": "ok"})
        with TRACER.start_as_current_span("test"):
            pass
    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    before = trace._TRACER_PROVIDER, metrics_api._METER_PROVIDER
    trace._TRACER_PROVIDER, metrics_api._METER_PROVIDER = tracers, meters
    try:
        ORDERS.add(41, {"outcome": "ok"})
        with TRACER.start_as_current_span("real"):
            pass
        with recorded() as inside:
            ORDERS.add(2, {"outcome": "ok"})
        data = reader.get_metrics_data()
    finally:
        trace._TRACER_PROVIDER, metrics_api._METER_PROVIDER = before
        meters.shutdown()
        tracers.shutdown()
    assert data is not None
    (metric,) = (
        metric
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == "kit.orders"
    )
    assert [getattr(point, "value", None) for point in metric.data.data_points] == [41]
    assert [span.name for span in spans.get_finished_spans()] == ["real"]
    assert inside.metric("kit.orders").total == 2


def test_the_plugin_loads_no_sdk() -> None:
    """Pytest imports it in every environment that has the package."""
    ended = run(
        "import sys\n"
        "import otel_setup._pytest\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])\n",
        launcher=False,
    )
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_the_kit_works_without_pytest() -> None:
    """A script may look at its own telemetry."""
    ended = run(
        "import sys\n"
        "from opentelemetry import trace\n"
        "from otel_setup.testing import recorded\n"
        "with recorded() as telemetry, trace.get_tracer('a').start_as_current_span('work'):\n"
        "    pass\n"
        "print(telemetry.span('work').name, 'pytest' in sys.modules)\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "print(type(trace.get_tracer_provider()).__module__)\n",
        launcher=False,
    )
    assert (ended.stdout, ended.stderr) == ("work False\nopentelemetry.sdk.trace\n", "")


def blocks(page: str, language: str) -> list[str]:
    """Return the code of *page* in *language*."""
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_example_of_the_guide_works(tmp_path: Path) -> None:
    """Four tests pass under the pytest that a user has; the fifth fails as the guide says."""
    code, tests = blocks("testing.md", "python")
    (failure,) = blocks("testing.md", "text")
    (tmp_path / "pricing.py").write_text(code)
    wrong = (
        "\n\ndef test_wrong(otel: Telemetry) -> None:\n"
        "    import pricing\n"
        "    pricing.orders_priced.add(1, {'outcom': 'ok'})\n"
    )
    (tmp_path / "test_pricing.py").write_text(tests + wrong)
    ended = run(
        f"import os, sys, pytest; os.chdir({str(tmp_path)!r})\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--rootdir', '.', '-W', 'error']))",
        launcher=False,
    )
    assert "1 failed, 4 passed" in ended.stdout, ended.stdout + ended.stderr
    assert failure in ended.stdout


def test_the_line_of_the_guide_is_the_one_that_is_written() -> None:
    """With all keys, in their order."""
    (shown,) = blocks("logs.md", "json")
    keys = list(json.loads(shown, strict=False))
    with recorded(), TRACER.start_as_current_span("work"):
        try:
            {}["bolt"]
        except KeyError:
            record = logging.getLogger("kit").makeRecord(
                *("kit", 40, "", 0, "no stock", (), sys.exc_info()), extra={"order": 7}
            )
        written = json.loads(lines.as_json(record))
    assert list(written) == keys
    assert list(written["exception"]) == list(json.loads(shown, strict=False)["exception"])


def test_the_fixture_is_installed_with_the_package() -> None:
    """Its entry point leads to a module that is there."""
    (entry,) = (
        entry
        for entry in importlib.metadata.entry_points(group="pytest11")
        if entry.name == "otel_setup"
    )
    assert entry.load().__name__ == "otel_setup._pytest"
