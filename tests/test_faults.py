# SPDX-License-Identifier: Apache-2.0
"""A sick Collector costs the application neither time nor memory nor an exception."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pytest

from tests.otlp_sink import Sink
from tests.programs import Server, environment, free_port, run
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
from otel_setup._fork import waiting
providers = handle._providers
print(json.dumps({
    "queued": max(waiting(providers.tracer_provider), waiting(providers.logger_provider)),
    "median": statistics.median(times),
    "p99": sorted(times)[int(len(times) * 0.99)],
    "longest": max(times),
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


@pytest.mark.parametrize("collector", SICK)
def test_a_sick_collector_costs_the_application_nothing(
    collector: str,
) -> None:
    """Neither waiting, nor memory beyond full queues."""
    with SICK[collector]() as url:
        sick = measured(url)
    # Whoever waited for an export would wait for its timeout, a second. How much longer the work
    # takes is no matter of a test: the machine has other things to do.
    assert sick["longest"] < 0.5
    assert sick["p99"] < 0.1
    # The SDK's queues hold 2048 spans or records each; pages that the allocator keeps come and go.
    assert sick["queued"] <= 2048
    assert sick["grown"] < 64 * 2**20


#: Has each exporter raise whatever it is given.
RAISING = """
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
def refuse(*_arguments, **_options):
    raise RuntimeError("out of order")
for kind in (OTLPLogExporter, OTLPMetricExporter, OTLPSpanExporter):
    kind.export = refuse
"""
#: Works for two seconds under its own telemetry, and says so in a file.
WORKED = """
import time
from otel_setup.auto import handle
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
done = metrics.get_meter("app").create_counter("done")
until = time.monotonic() + 2
while time.monotonic() < until:
    with trace.get_tracer("app").start_as_current_span("work"):
        done.add(1)
        get_logger("app").emit(LogRecord(body="said"))
    time.sleep(0.001)
with open("worked", "w") as worked:
    worked.write("to the end")
raise SystemExit(3)
"""
OFTEN = {
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BLRP_SCHEDULE_DELAY": "100",
    "OTEL_LOGS_EXPORTER": "otlp",
}


def test_exporters_that_raise_cost_the_application_nothing(tmp_path: Path) -> None:
    """It works to its end, has its own exit code, and reads a few lines about what is lost."""
    ended = subprocess.run(
        [sys.executable, "-c", RAISING + WORKED],
        cwd=tmp_path,
        env=environment(**OFTEN),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ((tmp_path / "worked").read_text(), ended.returncode) == ("to the end", 3)
    lines = ended.stderr.splitlines()
    assert [line for line in lines if "Traceback" in line] == []
    assert 1 <= len(lines) <= 4
    assert "out of order" in ended.stderr


def test_a_full_disk_costs_the_application_nothing(tmp_path: Path) -> None:
    """What we have to say has nowhere to go; the application works to its end."""
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", WORKED],
            cwd=tmp_path,
            env=environment(**OFTEN, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}"),
            stdout=subprocess.DEVNULL,
            stderr=full,
            timeout=60,
            check=False,
        )
    assert ((tmp_path / "worked").read_text(), ended.returncode) == ("to the end", 3)


APP = """
import os
from flask import Flask
app = Flask(__name__)
@app.get("/pid")
def pid():
    return str(os.getpid())
"""


def test_a_killed_worker_takes_only_its_own_last_words(sink: Sink, tmp_path: Path) -> None:
    """The other worker and the new one answer and report; each has an id of its own."""
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    start = [launcher, sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}"]
    with Server(
        [*start, "app:app"],
        cwd=tmp_path,
        PORT=str(port),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_METRIC_EXPORT_INTERVAL="200",
    ) as server:
        server.wait("/pid")
        killed = int(server.get("/pid"))
        os.kill(killed, signal.SIGKILL)
        answered: set[int] = set()
        deadline = time.monotonic() + 40
        while len(answered - {killed}) < 2 and time.monotonic() < deadline:
            try:
                answered.add(int(server.get("/pid")))
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)  # a connection that the dead one had taken
        assert server.end() == 0
    durations = [each for each in sink.points if each.name == "http.server.request.duration"]
    ids = {str(each.resource["service.instance.id"]) for each in durations}
    assert len(answered - {killed}) == 2
    assert len(ids) in {2, 3}  # the killed one may have reported before
