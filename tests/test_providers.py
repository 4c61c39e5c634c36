# SPDX-License-Identifier: Apache-2.0
"""Providers start completely or not at all, and end in time."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_setup import ConfigError, Settings
from otel_setup._ending import together
from otel_setup._providers import Providers, _views
from tests.otlp_sink import Sink
from tests.programs import command, environment, free_port, run

#: Leaves one span, one value and one log record for the end, and ends with its own exit code.
UNSENT = """
import logging, sys, time
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
with trace.get_tracer("app").start_as_current_span("work"):
    metrics.get_meter("app").create_counter("done").add(1)
    get_logger("app").emit(LogRecord(body="said"))
"""
ENDS = 'print(f"{time.time():.3f}", flush=True)\nsys.exit(7)\n'
ALL = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_SETUP_EXIT_TIMEOUT": "1"}


def bounds(name: str, unit: str) -> tuple[float, ...]:
    """Return the bounds that a histogram of upstream gets."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False, views=_views())
    provider.get_meter("upstream").create_histogram(name, unit).record(1)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    return tuple(point.explicit_bounds)


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        (
            "db.client.operation.duration",
            "s",
            (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
        ),
        (
            "http.server.response.body.size",
            "By",
            (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8),
        ),
        (
            "http.server.request.body.size",
            "By",
            (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8),
        ),
    ],
)
def test_histograms_of_upstream_get_bounds_that_fit(
    name: str, unit: str, expected: tuple[float, ...]
) -> None:
    """Upstream gives these none, and the SDK's own are for milliseconds."""
    assert bounds(name, unit) == expected


def problems_of(**variables: str) -> list[str]:
    """Return why the providers do not start; a start would fail the test."""
    with pytest.raises(ConfigError) as raised:
        Providers(Settings.from_env(variables))
    return raised.value.problems


def test_an_exporter_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that are missing are named at once, with the command that installs them."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.prometheus", None)
    for signal in ("trace", "_log"):
        module = f"opentelemetry.exporter.otlp.proto.grpc.{signal}_exporter"
        monkeypatch.setitem(sys.modules, module, None)
    assert problems_of(
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
    ) == [
        (
            "OTEL_TRACES_EXPORTER='otlp': its package is not installed (import of "
            "opentelemetry.exporter.otlp.proto.grpc.trace_exporter halted; None in sys.modules). "
            "Install it with: pip install 'otel-setup[grpc]'"
        ),
        (
            "OTEL_METRICS_EXPORTER='prometheus': its package is not installed (import of "
            "opentelemetry.exporter.prometheus halted; None in sys.modules). "
            "Install it with: pip install 'otel-setup[prometheus]'"
        ),
        (
            "OTEL_LOGS_EXPORTER='otlp': its package is not installed (import of "
            "opentelemetry.exporter.otlp.proto.grpc._log_exporter halted; None in sys.modules). "
            "Install it with: pip install 'otel-setup[grpc]'"
        ),
    ]


def test_an_exporter_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that only the exporter knows is no reason for a stack trace."""
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "nobody")
    assert problems_of(OTEL_METRICS_EXPORTER="none") == [
        (
            "OTEL_TRACES_EXPORTER='otlp': it cannot start (RuntimeError: Requested component "
            "'nobody' not found in entry point 'opentelemetry_otlp_credential_provider'). "
            "Check the variables of the exporter."
        )
    ]


@pytest.fixture(scope="module")
def ends() -> Iterator[dict[str, tuple[float, int]]]:
    """Seconds from the last line of the program to its end, and its exit code, by Collector."""
    found = {}
    with contextlib.ExitStack() as stack:
        addresses = {
            "refuses": f"http://127.0.0.1:{free_port()}",
            "never answers": stack.enter_context(Sink(status=None)).url,
            "answers 500": stack.enter_context(Sink(status=500)).url,
            "answers 503": stack.enter_context(Sink(status=503)).url,
        }
        for collector, address in addresses.items():
            started = subprocess.Popen(
                command(UNSENT + ENDS),
                env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=address, **ALL),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert started.stdout is not None
            last_line = float(started.stdout.readline())
            code = started.wait(30)
            found[collector] = (time.time() - last_line, code)
            started.stdout.close()
        yield found


@pytest.mark.parametrize("collector", ["refuses", "never answers", "answers 500", "answers 503"])
def test_a_sick_collector_does_not_keep_the_process(
    ends: dict[str, tuple[float, int]], collector: str
) -> None:
    """It ends within the timeout of one second and a little, with its own exit code."""
    seconds, code = ends[collector]
    assert code == 7
    assert seconds < 2.0


def test_a_healthy_collector_gets_everything_at_the_end(sink: Sink) -> None:
    """A process that is shorter than the first export still reports, long before the timeout."""
    variables = {**ALL, "OTEL_SETUP_EXIT_TIMEOUT": "30"}
    ended = run(UNSENT + ENDS, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **variables)
    assert (ended.returncode, ended.stderr) == (7, "")
    assert time.time() - float(ended.stdout) < 10
    assert [span.name for span in sink.spans] == ["work"]
    assert [point.value for point in sink.metric("done")] == [1]
    assert sink.logs == ["said"]


#: Python 3.12 refuses a new thread once the program is done; here this Python does as well.
NO_THREADS = """
import threading
def refuse(self):
    raise RuntimeError("can't create new thread at interpreter shutdown")
threading.Thread.start = refuse
"""


def test_the_end_needs_no_new_thread(sink: Sink) -> None:
    """Python 3.12 starts none while it ends; what is waiting is sent all the same."""
    ended = run(UNSENT + NO_THREADS, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **ALL)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [span.name for span in sink.spans] == ["work"]


TERMINATED = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(20)\n"


def test_sigterm_sends_what_is_waiting(sink: Sink) -> None:
    """Docker, systemd and supervisor stop a service that way; it still ends by the signal."""
    ended = run(UNSENT + TERMINATED, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **ALL)
    assert (ended.returncode, ended.stderr) == (-15, "")
    assert [span.name for span in sink.spans] == ["work"]


def test_a_program_keeps_its_own_handler_of_sigterm(sink: Sink) -> None:
    """Whatever it does on SIGTERM, it goes on to do."""
    own = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
    ended = run(
        own + "import otel_setup.auto\n" + UNSENT + TERMINATED,
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        **ALL,
    )
    assert (ended.returncode, ended.stderr) == (5, "")
    assert [span.name for span in sink.spans] == ["work"]


FORKED = """
import os
child = os.fork()
if child:
    os.waitpid(child, 0)
with trace.get_tracer("app").start_as_current_span("parent" if child else "child"):
    pass
"""


def test_a_forked_child_ends_its_own_telemetry(sink: Sink) -> None:
    """Its threads are new ones; what the parent has waiting is not sent twice."""
    ended = run(UNSENT + FORKED, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **ALL)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(span.name for span in sink.spans) == ["child", "parent", "work"]


def test_steps_run_together_and_a_late_one_is_left_behind() -> None:
    """The answer says whether all were done; one that fails does not stop the others."""
    done: list[int] = []

    def fail() -> None:
        raise ValueError("no")

    assert together([fail, lambda: done.append(1)], timeout=10)
    started = time.monotonic()
    assert not together([lambda: time.sleep(1), lambda: done.append(2)], timeout=0.1)
    assert time.monotonic() - started < 0.9
    assert done == [1, 2]
