# SPDX-License-Identifier: Apache-2.0
"""A sick Collector costs the application neither time nor memory nor an exception."""

from __future__ import annotations

import json

import pytest

from tests.otlp_sink import Sink
from tests.programs import run
from tests.sick_collectors import SICK

pytestmark = pytest.mark.stack

#: Times one span, one value and one log record, over and over, and looks at its own memory.
TIMED = """
import json, statistics, time, os
from otel_setup.auto import handle
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
tracer = trace.get_tracer("app")
done = metrics.get_meter("app").create_counter("done")
logger = get_logger("app")
def pages():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
def work(seconds):
    times = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        with tracer.start_as_current_span("work"):
            done.add(1)
            logger.emit(LogRecord(body="said"))
        times.append(time.perf_counter() - started)
        time.sleep(0.0005)
    return times
work(4)
before = pages()
times = work(6)
print(json.dumps({
    "median": statistics.median(times),
    "worst": sorted(times)[int(len(times) * 0.99)],
    "grown": pages() - before,
    "times": len(times),
}))
handle.shutdown(0.2)
"""


def measured(url: str) -> dict[str, float]:
    """Return what the program measured with the Collector at *url*."""
    ended = run(
        TIMED,
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_METRIC_EXPORT_INTERVAL="500",
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_BLRP_SCHEDULE_DELAY="100",
    )
    assert ended.returncode == 0, ended.stderr
    # One line per signal, of a full queue as well, and one at the end.
    assert len(ended.stderr.splitlines()) <= 4, ended.stderr
    found: dict[str, float] = json.loads(ended.stdout)
    return found


@pytest.fixture(scope="module")
def healthy() -> dict[str, float]:
    """What the program measures when all is well."""
    with Sink() as sink:
        return measured(sink.url)


@pytest.mark.parametrize("collector", SICK)
def test_a_sick_collector_costs_the_application_nothing(
    healthy: dict[str, float], collector: str
) -> None:
    """Neither waiting, nor memory beyond full queues."""
    with SICK[collector]() as url:
        sick = measured(url)
    assert sick["median"] < 3 * healthy["median"] + 0.0001
    assert sick["worst"] < healthy["worst"] + 0.01
    assert sick["grown"] < 16 * 2**20
