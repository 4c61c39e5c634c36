# SPDX-License-Identifier: Apache-2.0
"""What is not exported is said rarely, shortly and with its end, and counted rightly."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections import Counter

import pytest

from otel_setup._complaints import Complaints, Throttle, address
from tests.otlp_sink import Sink
from tests.programs import environment, run
from tests.sick_collectors import SICK


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return what time it is."""
        return self.now


def test_an_outage_is_one_line_per_minute_and_one_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """60 s at the default intervals: a batch each 5 s, metrics each 15 s."""
    clock = Clock()
    complaints = Complaints(seconds=60, clock=clock)
    for _ in range(12):
        complaints.failed("traces", 10, "connection refused at http://127.0.0.1:4318")
        clock.now += 5
    assert caplog.messages == [
        (
            "traces are not exported: connection refused at http://127.0.0.1:4318; "
            "trying on, 10 spans lost so far."
        )
    ]
    complaints.failed("traces", 1, "HTTP 500")
    assert caplog.messages[1:] == [
        "traces are not exported: HTTP 500; trying on, 121 spans lost so far."
    ]
    complaints.arrived("traces")
    complaints.arrived("traces")
    assert caplog.messages[2:] == ["traces are exported again, after 60 s; 121 spans lost so far."]


def test_signals_that_come_and_go_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """An end is told only of what was complained about, and losses add up until it is."""
    clock = Clock()
    complaints = Complaints(seconds=60, clock=clock)
    for _ in range(120):
        complaints.failed("metrics", 0, "HTTP 503")
        complaints.failed("logs", 1, "HTTP 503")
        complaints.arrived("metrics")
        complaints.arrived("logs")
        clock.now += 1
    assert Counter(message.split()[0] for message in caplog.messages) == {"metrics": 4, "logs": 4}
    assert caplog.messages[-2:] == [
        "metrics are exported again, after 0 s.",
        "logs are exported again, after 0 s; 60 log records lost so far.",
    ]


def test_what_finds_the_queue_full_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Also while exports go well: the application is faster than the Collector."""
    clock = Clock()
    complaints = Complaints(seconds=60, clock=clock)
    for _ in range(5000):
        complaints.dropped("traces")
    clock.now += 60
    complaints.dropped("traces")
    assert caplog.messages == [
        ("traces outrun their export: 1 span lost so far, 1 of them by a full queue."),
        ("traces outrun their export: 5001 spans lost so far, 5001 of them by a full queue."),
    ]


def test_a_line_that_repeats_itself_is_held_back(caplog: pytest.LogCaptureFixture) -> None:
    """How often is said with the next; the SDK's other lines stay as they are."""
    logger = logging.getLogger("opentelemetry.sdk.tests_of_complaints")
    throttle = Throttle(Complaints(), seconds=0.05)
    throttle.install()
    for _ in range(3):
        logger.warning("odd value %s", "x")
        logger.warning("another line")
    assert caplog.messages == ["odd value x", "another line"]
    throttle._last.clear()
    logger.warning("odd value %s", "y")
    assert caplog.messages[2:] == ["odd value y (2 more like this were held back)"]
    logger.removeFilter(throttle)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hunter2@host:4318/v1/traces?token=abc", "https://host:4318"),
        ("host:4317", "host:4317"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    """A token may be part of the path as well."""
    assert address(url) == shown


#: Works through an outage: the Collector is sick until the file exists that is told to it.
OUTAGE = """
import logging, logging.config, sys, time
import otel_setup.auto
from otel_setup.auto import handle
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"f": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
    "root": {"handlers": ["h"], "level": "INFO"},
})
def work():
    with trace.get_tracer("app").start_as_current_span("work"):
        metrics.get_meter("app").create_counter("done").add(1)
        get_logger("app").emit(LogRecord(body="said"))
for _ in range(4):
    work()
    handle.flush()
print("sick", flush=True)
sys.stdin.readline()
work()
handle.flush()
"""


def test_an_outage_and_its_end_are_told_through_the_programs_own_logging() -> None:
    """``dictConfig`` disables loggers by default; no line has a secret or a second line."""
    with Sink(status=500) as sink:
        started = subprocess.Popen(
            [sys.executable, "-c", OUTAGE],
            env=environment(
                OTEL_EXPORTER_OTLP_ENDPOINT=sink.url.replace("//", "//user:hunter2@"),
                OTEL_EXPORTER_OTLP_HEADERS="authorization=hunter2",
                OTEL_LOGS_EXPORTER="otlp",
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert started.stdout is not None
        assert started.stdout.readline() == "sick\n"
        sink.status = 200
        _, said = started.communicate("go on\n", timeout=60)
    assert started.returncode == 0
    assert "hunter2" not in said
    trouble = f"HTTP 500 Internal Server Error from {sink.url}"
    lines = sorted(line.removeprefix("WARNING otel_setup ") for line in said.splitlines())
    assert [line.partition(", after")[0] for line in lines] == [
        "logs are exported again",
        f"logs are not exported: {trouble}; trying on, 1 log record lost so far.",
        "metrics are exported again",
        f"metrics are not exported: {trouble}; trying on, totals are kept.",
        "traces are exported again",
        f"traces are not exported: {trouble}; trying on, 1 span lost so far.",
    ]


#: More spans than the queue holds, then some that are exported and fail.
LOSING = """
import time
from otel_setup.auto import handle
from opentelemetry import trace
from opentelemetry._logs import LogRecord, get_logger
tracer = trace.get_tracer("app")
logger = get_logger("app")
for _ in range(1000):
    tracer.start_span("work").end()
    logger.emit(LogRecord(body="said"))
handle.flush(8)
"""


@pytest.mark.parametrize(
    ("collector", "error"),
    [
        ("refused", "ConnectionError"),
        ("failing", "HTTPError"),
        ("overloaded", "ExportFailed"),
        ("silent", "ReadTimeout"),
    ],
)
def test_every_loss_is_in_the_metrics_of_the_sdk(sink: Sink, collector: str, error: str) -> None:
    """What was dropped and what failed are, together, all that was recorded."""
    with SICK[collector]() as url:
        ended = run(
            LOSING,
            launcher=False,
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{sink.url}/v1/metrics",
            OTEL_EXPORTER_OTLP_TIMEOUT="0.5",
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_BSP_MAX_QUEUE_SIZE="100",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="100",
            OTEL_BLRP_MAX_QUEUE_SIZE="100",
            OTEL_BLRP_MAX_EXPORT_BATCH_SIZE="100",
        )
    assert ended.returncode == 0, ended.stderr
    for signal in ("span", "log"):
        processed = latest(sink, f"otel.sdk.processor.{signal}.processed")
        exported = latest(sink, f"otel.sdk.exporter.{signal}.exported")
        assert set(exported) == {error}
        assert processed[""] == exported[error] > 0
        # The SDK looks at the queue before it puts something in: at the moment at which a batch
        # leaves, it counts one as dropped that was not.
        assert 0 <= processed["queue_full"] + exported[error] - 1000 <= exported[error] / 50


def latest(sink: Sink, name: str) -> dict[str, float]:
    """Return the last value of the metric *name*, by its error."""
    return {point.attributes.get("error.type", ""): point.value for point in sink.metric(name)}


def test_two_clients_with_one_metric_are_no_complaint(sink: Sink) -> None:
    """Scopes keep them apart: both arrive, and nothing is said."""
    ended = run(
        "import httpx, requests\n"
        f"for ask in (httpx.get, requests.get): ask({sink.url + '/nowhere'!r})\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    clients = {point.scope for point in sink.metric("http.client.request.duration")}
    assert clients == {f"opentelemetry.instrumentation.{name}" for name in ("httpx", "requests")}
    assert (ended.stderr, ended.returncode) == ("", 0)
