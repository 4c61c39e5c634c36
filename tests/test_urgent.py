# SPDX-License-Identifier: Apache-2.0
"""What cannot wait for the next export does not, and that costs the program nothing."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_setup import _urgent
from tests.otlp_sink import Sink
from tests.programs import command, environment, free_port, run
from tests.prometheus_server import Prometheus
from tests.sick_collectors import SICK

#: Counts failures; the usual export never comes.
COUNTS = """
import os, signal, sys, time
from opentelemetry import trace
from otel_setup import instrument
from otel_setup.catalogue.model import Counter, Label
FAILURES = instrument(Counter(
    name="demo.failures", unit="{failure}", description="Failures.", why="One is too many.",
    attributes={"kind": Label("what failed", at_most=9)}, urgent=True,
))
"""
FAILS = COUNTS + 'FAILURES.add(1, {"kind": "new"})\n'
#: Has no clean end, with its exports, before the test has seen enough.
WAITS = "time.sleep(60)\n"
#: A child that ends when nobody has it any more.
LEAVES_WITH_PARENT = (
    "parent = os.getppid()\n    while os.getppid() == parent:\n        time.sleep(0.1)\n"
    "    os._exit(0)\n"
)
#: Milliseconds.
NEVER = "600000"


def given(sink: Sink) -> dict[str, str]:
    """Return the variables with which a program sends to *sink*, and only what is urgent."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_METRIC_EXPORT_INTERVAL": NEVER,
        "OTEL_BSP_SCHEDULE_DELAY": NEVER,
    }


@contextlib.contextmanager
def running(code: str, sink: Sink, **variables: str) -> Iterator[None]:
    """Run *code* for the length of the block, and kill it then."""
    env = environment(**given(sink), **variables)
    with subprocess.Popen(command(code + WAITS), env=env) as process:
        try:
            yield
        finally:
            process.kill()


def counted(sink: Sink, name: str = "demo.failures") -> list[float]:
    """Return the values of the counter *name* in the order of their times."""
    return [each.value for each in sorted(sink.metric(name), key=lambda it: it.time)]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_failure_without_a_collector_holds_nobody_up(protocol: str) -> None:
    """The program counts a thousand and ends in time while nobody takes them."""
    with SICK["black_hole"]() as url:
        code = (
            COUNTS + "began = time.monotonic()\n"
            'for _ in range(1000):\n    FAILURES.add(1, {"kind": "new"})\n'
            "took = time.monotonic() - began\nprint(took, time.time(), flush=True)\n"
        )
        ended = run(
            code,
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_METRIC_EXPORT_INTERVAL=NEVER,
            OTEL_SETUP_EXIT_TIMEOUT="1",
        )
        whole = time.time()
    took, ended_at = map(float, ended.stdout.split())
    assert took < 1
    assert whole - ended_at < 3


def test_a_failure_is_exported_at_once(sink: Sink) -> None:
    """With the span in which it failed, long before the next export is due."""
    spans = 'with trace.get_tracer("app").start_as_current_span("work"):\n    '
    with running(COUNTS + spans + 'FAILURES.add(1, {"kind": "new"})\n', sink):
        sink.wait_for(lambda it: counted(it)[-1:] == [1])
        sink.wait_for(lambda it: [span.name for span in it.spans] == ["work"])


def test_a_storm_of_failures_costs_few_exports(sink: Sink) -> None:
    """Those that come together are sent together, and the last is not forgotten."""
    storm = 'for _ in range(1000):\n    FAILURES.add(1, {"kind": "new"})\n    time.sleep(0.001)\n'
    with running(COUNTS + storm, sink):
        sink.wait_for(lambda it: counted(it)[-1:] == [1000])
    # They took a second and a bit, and each point but two zeros is an export.
    assert len(counted(sink)) < 100


def test_a_zero_is_no_news(sink: Sink) -> None:
    """It makes the series known, with the next export."""
    with running(COUNTS + 'FAILURES.add(0, {"kind": "new"})\nprint("added", flush=True)\n', sink):
        time.sleep(2)
    assert counted(sink) == []


def test_a_forked_child_hurries_by_itself(sink: Sink) -> None:
    """It was born without the thread of its parent."""
    forks = 'if os.fork() == 0:\n    FAILURES.add(1, {"kind": "of the child"})\n    '
    code = COUNTS + 'FAILURES.add(1, {"kind": "of the parent"})\n' + forks + LEAVES_WITH_PARENT
    with running(code, sink):
        sink.wait_for(
            lambda it: (
                {"of the parent", "of the child"}
                <= {
                    each.attributes["kind"]
                    for each in it.metric("demo.failures")
                    if each.value == 1
                }
            )
        )


def test_providers_of_a_configuration_file_hurry_as_well(sink: Sink, tmp_path: Path) -> None:
    """Their readers and exporters are made elsewhere."""
    file = tmp_path / "otel.yaml"
    file.write_text(
        'file_format: "1.0"\n'
        "meter_provider:\n  readers:\n    - periodic:\n        interval: 600000\n"
        f"        exporter: {{otlp_http: {{endpoint: '{sink.url}/v1/metrics'}}}}\n"
    )
    with running(FAILS, sink, OTEL_CONFIG_FILE=str(file)):
        sink.wait_for(lambda it: counted(it)[-1:] == [1])


def test_a_page_of_metrics_has_nothing_to_hurry() -> None:
    """It is read when its reader wants it."""
    code = FAILS + "time.sleep(0.5)\nprint('alive')\n"

    ended = run(
        code,
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(free_port()),
        OTEL_TRACES_EXPORTER="none",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "alive\n", "")


def test_without_providers_nobody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library may ask before anybody called setup."""
    monkeypatch.setattr(_urgent, "_courier", None)
    _urgent.hurry()


def test_who_asks_does_not_wait() -> None:
    """However long an export takes; what was asked for meanwhile is sent after it."""
    exports: list[str] = []
    goes_on, began = threading.Event(), threading.Event()

    def export() -> bool:
        exports.append(threading.current_thread().name)
        began.set()
        return goes_on.wait(10)

    courier = _urgent.Courier(export, lambda: None, pause=0.0)
    courier.ask()
    assert began.wait(10)
    for _ in range(1000):
        courier.ask()
    assert len(exports) == 1
    goes_on.set()
    deadline = time.monotonic() + 10
    while len(exports) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    courier.end()
    assert exports == ["otel_setup_urgent"] * 2


def test_a_new_count_comes_with_its_zeros(sink: Sink) -> None:
    """Whoever stores it sees it rise: from half a minute before, or from the process' start."""
    with running(FAILS, sink):
        sink.wait_for(lambda it: counted(it)[-1:] == [1])
    zero, just_before, one = sorted(sink.metric("demo.failures"), key=lambda it: it.time)
    assert (zero.value, just_before.value, one.value) == (0, 0, 1)
    assert zero.time < just_before.time < one.time
    assert zero.attributes == just_before.attributes == one.attributes
    assert (zero.exemplars, just_before.exemplars) == ((), ())


@pytest.mark.stack
@pytest.mark.parametrize("features", [(), ("created-timestamp-zero-ingestion",)])
def test_prometheus_sees_the_first_failure(tmp_path: Path, features: tuple[str, ...]) -> None:
    """As one that rose, with and without the feature that makes a zero of a start."""
    prometheus = Prometheus(tmp_path, features=features)
    try:
        prometheus.wait_for("query", query="vector(1)")
        code = COUNTS + 'time.sleep(3)\nFAILURES.add(1, {"kind": "new"})\n' + WAITS
        variables = {
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{prometheus.url}/api/v1/otlp/v1/metrics",
            "OTEL_METRIC_EXPORT_INTERVAL": NEVER,
            "OTEL_TRACES_EXPORTER": "none",
        }
        with subprocess.Popen(command(code), env=environment(**variables)) as process:
            risen = prometheus.wait_for("query", query="increase(demo_failures_total[1m]) > 0")
            process.kill()
    finally:
        prometheus.process.kill()
        prometheus.process.wait()
    # The alert says how many there were, without decimals.
    assert [f"{float(each['value'][1]):.0f}" for each in risen] == ["1"]


def test_a_count_that_is_known_comes_alone(sink: Sink) -> None:
    """Its zeros were delivered once."""
    again = 'time.sleep(1)\nFAILURES.add(1, {"kind": "new"})\n'
    with running(FAILS + again, sink):
        sink.wait_for(lambda it: counted(it)[-1:] == [2])
    assert counted(sink) == [0, 0, 1, 2]


def test_zeros_that_did_not_arrive_are_sent_again() -> None:
    """A Collector that refused the first failure learns of both."""
    with Sink(400) as sink:

        def heal() -> None:
            sink.wait_for(counted)
            sink.points.clear()
            sink.status = 200

        healing = threading.Thread(target=heal)
        healing.start()
        again = 'time.sleep(1.5)\nFAILURES.add(1, {"kind": "new"})\n'
        with running(FAILS + again, sink):
            sink.wait_for(lambda it: counted(it)[-1:] == [2])
        healing.join()
        assert counted(sink) == [0, 0, 2]


def test_a_histogram_begins_at_zero_too(sink: Sink) -> None:
    """Its first value would be as invisible as the first of a counter."""
    code = """
import os, signal, time
from otel_setup import instrument
from otel_setup._urgent import hurry
from otel_setup.catalogue.model import Histogram
instrument(Histogram(
    name="demo.duration", unit="s", description="Durations.", why="It takes time."
)).record(0.3)
hurry()
"""
    with running(code, sink):
        sink.wait_for(lambda it: it.metric("demo.duration"))
    found = sorted(sink.metric("demo.duration"), key=lambda it: it.time)
    assert [(each.value, each.sum, sum(each.buckets)) for each in found] == [
        (0, 0, 0),
        (0, 0, 0),
        (1, 0.3, 1),
    ]


@pytest.mark.parametrize(("older", "values"), [(True, [4711]), (False, [0, 0, 4711])])
def test_a_total_that_is_older_than_the_process_has_no_zero(
    sink: Sink, values: list[float], *, older: bool
) -> None:
    """What is observed begins with the process unless it is said to be older."""
    code = f"""
import os, signal, time
from otel_setup import observe
from otel_setup._urgent import hurry
from otel_setup.catalogue.model import Counter
observe(Counter(
    name="demo.orders", unit="{{order}}", description="Orders.", why="Business."
), lambda: [(4711, {{}})], older={older})
hurry()
"""
    with running(code, sink):
        sink.wait_for(lambda it: it.metric("demo.orders"))
    assert counted(sink, "demo.orders") == values
