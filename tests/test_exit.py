# SPDX-License-Identifier: Apache-2.0
"""A process ends in time, as it wanted to, and says in one line what it lost."""

from __future__ import annotations

import time

import pytest

from otel_setup._ending import together
from tests.otlp_sink import Sink
from tests.programs import run
from tests.sick_collectors import SICK

#: Leaves one span, one value and one log record for the end, and ends with its own exit code.
UNSENT = """
import logging, sys, time
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
with trace.get_tracer("app").start_as_current_span("work"):
    metrics.get_meter("app").create_counter("done").add(1)
    get_logger("app").emit(LogRecord(body="said"))
"""
#: Says when the program is through.
ENDS = 'print(f"{time.time():.3f}", flush=True)\nsys.exit(7)\n'
ALL = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_SETUP_EXIT_TIMEOUT": "1"}

#: What the one line says about each sick Collector, by protocol.
REASONS = {
    ("http/protobuf", "refused"): "connection refused at {url}",
    ("http/protobuf", "silent"): "no answer in time from {url}",
    ("http/protobuf", "failing"): "HTTP 500 Internal Server Error from {url}",
    ("http/protobuf", "overloaded"): "HTTP 503 Service Unavailable from {url}",
    ("http/protobuf", "moved"): "HTTP 308 Permanent Redirect from {url}",
    ("http/protobuf", "black_hole"): "no answer in time from {url}",
    ("http/protobuf", "wrong_tls"): "TLS: wrong version number at {url}",
    ("http/protobuf", "slow"): "no answer in time from {url}",
    ("grpc", "refused"): "connection refused at {host}",
    ("grpc", "silent"): "no gRPC is spoken there at {host}",
    ("grpc", "failing"): "no gRPC is spoken there at {host}",
    ("grpc", "black_hole"): "no answer in time from {url}",
    ("grpc", "wrong_tls"): "TLS: wrong version number at {host}",
    ("grpc", "slow"): "no gRPC is spoken there at {host}",
}


def ends_with(collector: str, protocol: str, budget: float) -> None:
    """Let a program end while its Collector is sick, and check its end."""
    with SICK[collector]() as url:
        ended = run(
            UNSENT + ENDS,
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_SETUP_EXIT_TIMEOUT=str(budget),
        )
        seconds = time.time() - float(ended.stdout)
    assert ended.returncode == 7
    assert seconds < budget + 1
    said = "the process ends and loses 1 span, the last metrics, 1 log record: "
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    if budget >= 3:  # the exporter has come to its own end
        reason = REASONS[protocol, collector].format(url=url, host=url.partition("//")[2])
        assert reason in ended.stderr


@pytest.mark.parametrize("collector", SICK)
def test_a_sick_collector_does_not_keep_the_process(collector: str) -> None:
    """It ends within the timeout and a little, with its own exit code and one line."""
    ends_with(collector, "http/protobuf", 0.5)


@pytest.mark.stack
@pytest.mark.parametrize(("protocol", "collector"), REASONS)
def test_the_line_at_the_end_says_why(protocol: str, collector: str) -> None:
    """With the timeouts that are default, in both protocols."""
    ends_with(collector, protocol, 3)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)", -15),
    ],
)
def test_the_exit_code_is_the_programs_own(last: str, code: int) -> None:
    """Whatever ends it, a silent Collector changes nothing."""
    with SICK["silent"]() as url:
        ended = run(
            f"{UNSENT}\n{last}\n", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_SETUP_EXIT_TIMEOUT="0.5"
        )
    assert ended.returncode == code
    ours = [line for line in ended.stderr.splitlines() if "the process ends" in line]
    assert ours == [
        f"the process ends and loses 1 span, the last metrics: no answer in time from {url}."
    ]


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
