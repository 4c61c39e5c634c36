# SPDX-License-Identifier: Apache-2.0
"""Real servers with several workers: each reports for itself, together they report everything."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.otlp_sink import Sink
from tests.programs import Server, free_port

pytestmark = pytest.mark.stack

REQUESTS = 60
APPS = {
    "fastapi": """
import os
from fastapi import FastAPI
app = FastAPI()
@app.get("/job/{number}")
def work(number: int):
    return os.getpid()
@app.get("/healthz")
def healthz():
    return "ok"
""",
    "flask": """
import os
from flask import Flask
app = Flask(__name__)
@app.get("/job/<int:number>")
def work(number):
    return str(os.getpid())
@app.get("/healthz")
def healthz():
    return "ok"
""",
}
GUNICORN = ["-m", "gunicorn", "--workers", "2", "--log-level", "warning", "app:app"]
RECYCLING = ["--max-requests", "8", "--max-requests-jitter", "3"]
UVICORN = ["-m", "uvicorn", "--log-level", "warning", "app:app"]
SERVERS = {
    "gunicorn sync": ("flask", [*GUNICORN]),
    "gunicorn sync --preload": ("flask", [*GUNICORN, "--preload"]),
    "gunicorn sync, recycling": ("flask", [*GUNICORN, *RECYCLING]),
    "gunicorn gthread": ("flask", [*GUNICORN, "-k", "gthread", "--threads", "4"]),
    "gunicorn gthread --preload, recycling": (
        "flask",
        [*GUNICORN, "-k", "gthread", "--threads", "4", "--preload", *RECYCLING],
    ),
    "gunicorn asgi": ("fastapi", [*GUNICORN, "-k", "asgi"]),
    "gunicorn asgi --preload, recycling": (
        "fastapi",
        [*GUNICORN, "-k", "asgi", "--preload", *RECYCLING],
    ),
    "gunicorn uvicorn worker, recycling": (
        "fastapi",
        [*GUNICORN, "-k", "uvicorn.workers.UvicornWorker", *RECYCLING],
    ),
    "uvicorn": ("fastapi", [*UVICORN]),
    "uvicorn --workers": ("fastapi", [*UVICORN, "--workers", "2"]),
    "uvicorn --workers, recycling": (
        "fastapi",
        [*UVICORN, "--workers", "2", "--limit-max-requests", "8"],
    ),
    "uvicorn --reload": ("fastapi", [*UVICORN, "--reload"]),
}
#: Waits a while before it gives up, since a worker that is recycled refuses for a moment.
TRIES = 100


def arguments(server: list[str], port: int) -> list[str]:
    """Return the command that starts *server* under the launcher."""
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    place = (
        ["--bind", f"127.0.0.1:{port}"]
        if "gunicorn" in server
        else ["--host", "127.0.0.1", "--port", str(port)]
    )
    return [launcher, sys.executable, *server, *place]


def ask(server: Server, number: int) -> int:
    """Send one request, again while nobody listens; return the worker that answered."""
    for _ in range(TRIES):
        try:
            return int(json.loads(server.get(f"/job/{number}")))
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.1)
    raise AssertionError("nobody answers")


@pytest.mark.parametrize("name", SERVERS)
def test_the_instances_together_count_every_request_once(
    sink: Sink, tmp_path: Path, name: str
) -> None:
    """Whatever the server, however often its workers are replaced."""
    given = "" if "recycling" in name else "pod-7"
    kind, command = SERVERS[name]
    (tmp_path / "app.py").write_text(APPS[kind])
    port = free_port()
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "PORT": str(port),
    }
    if given:
        variables["OTEL_RESOURCE_ATTRIBUTES"] = f"service.instance.id={given}"
    with Server(arguments(command, port), cwd=tmp_path, **variables) as server:
        server.wait("/healthz")
        with ThreadPoolExecutor(4) as pool:
            workers = set(pool.map(lambda number: ask(server, number), range(REQUESTS)))
        server.end()
    latest: dict[str, float] = defaultdict(float)
    for point in sink.metric("http.server.request.duration"):
        if point.attributes.get("http.route", "").startswith("/job"):
            key = point.resource["service.instance.id"]
            latest[key] = max(latest[key], point.value)
    assert sum(latest.values()) == REQUESTS
    spans = [span for span in sink.spans if span.kind == "SERVER"]
    assert len(spans) == REQUESTS
    assert {span.resource["service.instance.id"] for span in spans} == set(latest)
    assert len(latest) == len(workers)
    if given:
        prefix = [f"{given}-{worker}" for worker in workers]
        assert set(latest) == ({given} if name == "uvicorn" else set(prefix))
