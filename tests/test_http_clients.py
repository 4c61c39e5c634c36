# SPDX-License-Identifier: Apache-2.0
"""Calls that a service makes, with requests and httpx, from a real program to a real server."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from otel_setup.catalogue.entries import http_client as client
from tests.otlp_sink import Point, Sink, Span
from tests.programs import free_port, run

_ASYNC = """
import asyncio, httpx
async def get(url):
    async with httpx.AsyncClient(follow_redirects=True) as client:
        return await client.get(url, timeout=5)
ask = lambda url: asyncio.run(get(url))
"""

#: How each library asks for an address, the error of a server that is away, spans of a redirect.
LIBRARIES = {
    "requests": (
        "import requests; ask = lambda url: requests.get(url, timeout=5)",
        *("ConnectionError", 1),
    ),
    "httpx": (
        "import httpx; ask = lambda url: httpx.get(url, timeout=5, follow_redirects=True)",
        *("ConnectError", 2),
    ),
    "httpx.AsyncClient": (_ASYNC, "ConnectError", 2),
}

DURATION = "http.client.request.duration"
ORDER = "/orders/17?page=2"
SECRETS = "/secrets?token=S3CRET-2&X-Amz-Signature=S3CRET-3&page=2"


class Called(ThreadingHTTPServer):
    """A server that keeps the trace headers of its requests; /from redirects to /to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        #: Path → the trace header of each request.
        self.parents: dict[str, list[str | None]] = defaultdict(list)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Called)
        path = self.path.partition("?")[0]
        self.server.parents[path].append(self.headers["traceparent"])
        self.send_response({"/from": 302, "/broken": 503}.get(path, 200))
        self.send_header("Location", "/to")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Asked:
    """What one program asked for, and what arrived of it."""

    library: str
    called: Called
    away: str
    spans: list[Span]
    points: list[Point]

    def spans_to(self, path: str) -> list[Span]:
        """Return the spans of calls to *path*."""
        return [span for span in self.spans if path in span.attributes["url.full"]]

    def point(self, **attributes: Any) -> Point:
        """Return the only point that has *attributes* among its own."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        # Each count begins with zeros.
        (found,) = (p for p in self.points if p.value and wanted.items() <= p.attributes.items())
        return found


@pytest.fixture(scope="module", params=LIBRARIES)
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    """Run a program of one library that asks for everything of this module."""
    code, _, _ = LIBRARIES[request.param]
    with Called() as called, Sink() as sink:
        threading.Thread(target=called.serve_forever, args=(0.02,), daemon=True).start()
        away = f"http://127.0.0.1:{free_port()}"
        secrets = called.url.replace("//", "//ann:S3CRET-1@") + SECRETS
        urls = (called.url + ORDER, called.url + "/broken", called.url + "/from", secrets)
        program = (
            f"{code}\nfor url in {urls!r}:\n    ask(url)\n"
            f"try:\n    ask({away!r})\nexcept Exception:\n    pass\n"
        )
        done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_SERVICE_NAME="caller")
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)
        yield Asked(request.param, called, away, sink.spans, sink.metric(DURATION))
        called.shutdown()


def test_a_call_is_one_span_and_its_trace_goes_on(asked: Asked) -> None:
    """The server is told of the span that waits for it."""
    (span,) = asked.spans_to("/orders/17")
    assert (span.name, span.kind, span.status) == ("GET", "CLIENT", "UNSET")
    (parent,) = asked.called.parents["/orders/17"]
    assert (parent or "").split("-")[1:3] == [span.trace_id, span.span_id]


def test_exports_are_no_calls(asked: Asked) -> None:
    """The exporter uses requests as well: it would tell of itself for ever."""
    hosts = {(span.kind, span.attributes["server.port"]) for span in asked.spans}
    away = int(asked.away.rsplit(":", 1)[1])
    assert hosts == {("CLIENT", asked.called.server_port), ("CLIENT", away)}
    assert {point.attributes["server.port"] for point in asked.points} == {
        asked.called.server_port,
        away,
    }


def test_labels_are_bounded(asked: Asked) -> None:
    """Neither path nor parameters are labels: all pages of a server are one series."""
    point = asked.point(http__response__status_code=200)
    assert point.attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": asked.called.server_port,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }
    assert (point.unit, point.value) == ("s", 3)
    assert point.bounds == client.REQUEST_DURATION.buckets


def test_an_error_of_the_server_is_an_error_of_the_call(asked: Asked) -> None:
    """A status from 400 on is what the caller has to cope with."""
    (span,) = asked.spans_to("/broken")
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "503")
    assert asked.point(error__type="503").value == 1


def test_a_server_that_is_away_is_named(asked: Asked) -> None:
    """There is no status then: the class of the exception says what went wrong."""
    _, error, _ = LIBRARIES[asked.library]
    (span,) = asked.spans_to(asked.away)
    assert (span.status, span.attributes["error.type"]) == ("ERROR", error)
    assert asked.point(error__type=error).attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(asked.away.rsplit(":", 1)[1]),
        "error.type": error,
    }


def test_redirects_are_followed_in_traces(asked: Asked) -> None:
    """With requests the whole way is one span, with httpx each step."""
    _, _, steps = LIBRARIES[asked.library]
    spans = asked.spans_to("/from") + (asked.spans_to("/to") if steps > 1 else [])
    parents = asked.called.parents["/from"] + asked.called.parents["/to"]
    assert len(spans) == steps
    assert len(parents) == 2
    assert {(parent or "").split("-")[2] for parent in parents} == {each.span_id for each in spans}


def test_secrets_of_an_address_stay_at_home(asked: Asked) -> None:
    """Neither a password nor the value of a secret parameter leaves the process."""
    (span,) = asked.spans_to("X-Amz-Signature")
    assert "S3CRET" not in repr(span)
    assert span.attributes["http.response.status_code"] == 200
