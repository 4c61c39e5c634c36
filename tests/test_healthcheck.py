# SPDX-License-Identifier: Apache-2.0
"""The probe that containers run, against real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@contextmanager
def _server(status: int, body: object) -> Iterator[tuple[str, list[str | None]]]:
    """Serve one answer to everything; the logins that were given are kept."""
    logins: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            logins.append(self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", logins
        server.shutdown()
        thread.join()


def _probe(*arguments: str, **environment: str) -> tuple[int, str]:
    answer = subprocess.run(
        [sys.executable, "-m", "services_demo.healthcheck", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return answer.returncode, answer.stderr.strip()


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, (0, "")), (503, (1, "HTTPError: HTTP Error 503: Service Unavailable"))],
)
def test_an_api_is_healthy_when_it_answers_200(status: int, expected: tuple[int, str]) -> None:
    """Any other answer is said and fails."""
    with _server(status, {}) as (url, _):
        assert _probe("http", url) == expected


def test_an_api_that_is_away_is_not_healthy() -> None:
    """A refused connection is said and fails."""
    code, said = _probe("http", "http://127.0.0.1:1/healthz")

    assert code == 1
    assert "Connection refused" in said


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"consumers": 1}, (0, "")),
        ({"consumers": 0}, (1, "queue shop.orders has no consumer")),
        ({}, (1, "queue shop.orders has no consumer")),
    ],
)
def test_a_worker_is_healthy_when_it_consumes(body: object, expected: tuple[int, str]) -> None:
    """The broker's page is asked with the user of the broker's address."""
    with _server(200, body) as (url, logins):
        answer = _probe(
            "consumer", "shop.orders", AMQP_URL="amqp://stack:x%2Fy@broker/%2F", RABBITMQ_PAGE=url
        )

    assert answer == expected
    assert logins == ["Basic c3RhY2s6eC95"]  # stack:x/y
