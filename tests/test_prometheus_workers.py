# SPDX-License-Identifier: Apache-2.0
"""The /metrics page under real servers: one worker has it, several are refused."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.otlp_sink import Sink
from tests.programs import environment, free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

APP = """
import os
{first}
from opentelemetry import metrics, trace
requests = metrics.get_meter("app").create_counter("served")

def serve():
    with trace.get_tracer("app").start_as_current_span("serve"):
        requests.add(1, {{"pid": os.getpid()}})
    return str(os.getpid()).encode()

def app(environ, start_response):
    start_response("200 OK", [])
    return [serve()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": serve()}})

if __name__ == "__main__":
    import uvicorn
    uvicorn.run("main:asgi", port=int(os.environ["PORT"]), workers=2, log_level="error")
"""


class App:
    """A program that serves, with its page and what it writes; a context manager."""

    def __init__(
        self, folder: Path, sink: Sink, command: str, *, launcher: bool = True, **variables: str
    ) -> None:
        first = "" if launcher else "import otel_setup.auto"
        (folder / "main.py").write_text(APP.format(first=first))
        self.port, self.page = free_port(), free_port()
        self.log = folder / "log"
        scripts = Path(sys.executable).parent
        program, *rest = command.replace("PORT", str(self.port)).split()
        launched = [str(scripts / "opentelemetry-instrument")] if launcher else []
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*launched, str(scripts / program), *rest],
                cwd=folder,
                env=environment(
                    PORT=str(self.port),
                    PYTHONPATH=str(folder),
                    OTEL_METRICS_EXPORTER="prometheus",
                    OTEL_EXPORTER_PROMETHEUS_PORT=str(self.page),
                    OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
                    OTEL_BSP_SCHEDULE_DELAY="100",
                    **variables,
                ),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        # Workers that outlived it are of its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def serve(self) -> int:
        """Have one request served as soon as that works; return the worker's id."""
        return int(self._until(lambda: get(self.port, "/")))

    def scraped(self) -> dict[int, float]:
        """Return the counts of the page by worker, as soon as there is a page with some."""

        def counts() -> dict[int, float]:
            lines = [
                line for line in get(self.page, "/metrics").splitlines() if "served_total{" in line
            ]
            return {
                int(line.split('pid="')[1].split('"')[0]): float(line.rsplit(" ", 1)[1])
                for line in lines
            }

        found: dict[int, float] = self._until(counts)
        return found

    def errors(self) -> list[str]:
        """Return the lines about the page."""
        return [line for line in self.log.read_text().splitlines() if "prometheus" in line.lower()]

    def has_page(self) -> bool:
        """Tell whether anything answers on the port of the page."""
        try:
            get(self.page, "/metrics")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def _until(self, ask: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                if found := ask():
                    return found
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.1)
        raise AssertionError(f"no answer: {self.log.read_text()}")


def get(port: int, path: str) -> str:
    """Return what is answered on *port*."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def refused(cause: str) -> str:
    """Return the line that says why there is no page."""
    return (
        "OTEL_METRICS_EXPORTER='prometheus': expected one process for a /metrics page, and "
        f"{cause}. With several workers each scrape would show another of them; use "
        "OTEL_METRICS_EXPORTER=otlp, and let Prometheus read the Collector."
    )


GUNICORN = "gunicorn main:app --bind 127.0.0.1:PORT --log-level error"
UVICORN = "uvicorn main:asgi --port PORT --log-level error"
ONE = [
    (GUNICORN, True),
    (f"{GUNICORN} --preload", True),
    (f"{GUNICORN} -k gthread", True),
    (f"{GUNICORN} --daemon --pid pid", True),
    (GUNICORN, False),
    (f"{GUNICORN} --preload", False),
    (UVICORN, True),
    (UVICORN, False),
    (f"{UVICORN} --reload", True),
    (f"{UVICORN} --reload", False),
]


@pytest.mark.parametrize(("command", "launcher"), ONE)
def test_one_worker_has_the_page(tmp_path: Path, sink: Sink, command: str, launcher: bool) -> None:
    """It shows what the worker counts, not what the process does that started it."""
    with App(tmp_path, sink, command, launcher=launcher) as app:
        worker = app.serve()
        app.serve()
        assert app.scraped() == {worker: 2}
        assert app.errors() == []
        sink.wait_for(lambda arrived: len(arrived.spans) == 2)
        if "--daemon" in command:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)


@pytest.mark.parametrize("command", [GUNICORN, f"{GUNICORN} --preload"])
def test_the_next_worker_takes_the_page_over(tmp_path: Path, sink: Sink, command: str) -> None:
    """A worker that dies, or that a reload replaces, leaves its port to the next one."""
    with App(tmp_path, sink, command) as app:
        first = app.serve()
        assert app.scraped() == {first: 1}
        os.kill(first, signal.SIGKILL)
        second = app.serve()
        assert second != first
        assert app.scraped() == {second: 1}
        app.process.send_signal(signal.SIGHUP)
        third = second
        deadline = time.monotonic() + 40
        while third == second and time.monotonic() < deadline:
            third = app.serve()
            time.sleep(0.1)
        counts: dict[int, float] = {}
        while set(counts) != {third} and time.monotonic() < deadline:
            counts = app.scraped()
        assert set(counts) == {third}


SEVERAL = [
    (f"{GUNICORN} -w 2", {}, "gunicorn starts 2 workers (-w 2)"),
    (GUNICORN, {"GUNICORN_CMD_ARGS": "-w 2"}, "gunicorn starts 2 workers (-w 2)"),
    (GUNICORN, {"WEB_CONCURRENCY": "2"}, "gunicorn starts 2 workers (WEB_CONCURRENCY=2)"),
    (f"{GUNICORN} -c two.py", {}, "gunicorn starts 2 workers"),
    (f"{GUNICORN} -c two.py --preload", {}, "gunicorn starts 2 workers"),
    (f"{UVICORN} --workers 2", {}, "uvicorn starts 2 workers (--workers 2)"),
    (UVICORN, {"WEB_CONCURRENCY": "2"}, "uvicorn starts 2 workers (WEB_CONCURRENCY=2)"),
]


@pytest.mark.parametrize(("command", "variables", "cause"), SEVERAL)
def test_several_workers_are_refused_a_page_and_keep_their_traces(
    tmp_path: Path, sink: Sink, command: str, variables: dict[str, str], cause: str
) -> None:
    """One line says so, whoever said how many; the app serves."""
    (tmp_path / "two.py").write_text("workers = 2\n")
    with App(tmp_path, sink, command, **variables) as app:
        app.serve()
        sink.wait_for(lambda arrived: arrived.spans)
        assert app.errors() == [refused(cause)]
        assert not app.has_page()


def test_a_page_of_one_worker_stays_when_another_is_added(tmp_path: Path, sink: Sink) -> None:
    """Gunicorn can be told to while it runs; the page goes on to show the first one."""
    with App(tmp_path, sink, GUNICORN) as app:
        first = app.serve()
        assert app.scraped() == {first: 1}
        app.process.send_signal(signal.SIGTTIN)
        deadline = time.monotonic() + 30
        while not app.errors() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert app.errors() == [refused("gunicorn starts 2 workers")]
        assert set(app.scraped()) == {first}


@pytest.mark.parametrize("command", [f"{GUNICORN} -w 2", f"{GUNICORN} -c two.py"])
def test_an_app_that_sets_up_itself_does_not_start(
    tmp_path: Path, sink: Sink, command: str
) -> None:
    """`setup` raises, as for every other contradiction."""
    (tmp_path / "two.py").write_text("workers = 2\n")
    with App(tmp_path, sink, command, launcher=False) as app:
        assert app.process.wait(40) != 0
        assert refused("gunicorn starts 2 workers") in app.log.read_text()


@pytest.mark.parametrize("command", [f"{GUNICORN} -c two.py", f"{GUNICORN} -c two.py --preload"])
def test_strict_gunicorn_does_not_start_with_several(
    tmp_path: Path, sink: Sink, command: str
) -> None:
    """Its configuration is known late; the first worker ends as one that cannot boot."""
    (tmp_path / "two.py").write_text("workers = 2\n")
    with App(tmp_path, sink, command, OTEL_SETUP_STRICT="true") as app:
        assert app.process.wait(40) == 3
        assert app.errors() == [refused("gunicorn starts 2 workers")]


def test_a_program_that_starts_workers_itself_keeps_its_traces(tmp_path: Path, sink: Sink) -> None:
    """Its own process has the port; the workers say that they have no page."""
    with App(tmp_path, sink, "python main.py") as app:
        app.serve()
        sink.wait_for(lambda arrived: arrived.spans)
        assert set(app.errors()) == {refused("another process of this app has its port")}


def test_a_page_of_a_file_is_refused_as_well(tmp_path: Path, sink: Sink) -> None:
    """The line names the file; the rest of it counts."""
    (tmp_path / "otel.yaml").write_text(
        'file_format: "1.0"\n'
        "propagator: {composite: [{tracecontext: }]}\n"
        "tracer_provider:\n"
        "  processors: [{batch: {exporter: {otlp_http: {endpoint: '${SINK}/v1/traces'}}}}]\n"
        "meter_provider: {readers: [{pull: {exporter: {prometheus/development: {port: 1}}}}]}\n"
    )
    command = f"{UVICORN} --workers 2"
    with App(tmp_path, sink, command, OTEL_CONFIG_FILE="otel.yaml", SINK=sink.url) as app:
        app.serve()
        sink.wait_for(lambda arrived: arrived.spans)
        assert [line for line in app.errors() if "not read" not in line] == [
            (
                "OTEL_CONFIG_FILE='otel.yaml': expected one process for a /metrics page, and "
                "uvicorn starts 2 workers (--workers 2). With several workers each scrape would "
                "show another of them; use a periodic reader with otlp_http, and let Prometheus "
                "read the Collector."
            )
        ]
