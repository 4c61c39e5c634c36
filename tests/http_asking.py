# SPDX-License-Identifier: Apache-2.0
"""Start a web app in one of the environments of `http_matrix`, and ask it like a client."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from otel_setup.catalogue.entries import http as catalogue
from tests import http_matrix
from tests.otlp_sink import Point, Sink, Span
from tests.programs import Server, free_port

#: What sends to the Collector soon enough for a test; all else keeps its default.
SOON = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "OTEL_BSP_SCHEDULE_DELAY": "200"}

#: What is measured about every request.
HTTP = tuple(
    entry.name
    for entry in (
        catalogue.REQUEST_DURATION,
        catalogue.ACTIVE_REQUESTS,
        catalogue.REQUEST_BODY_SIZE,
        catalogue.RESPONSE_BODY_SIZE,
    )
)


def tool(name: str, environment: str = "current") -> str:
    """Return the path of the program *name* of an *environment*."""
    return str(Path(http_matrix.python(environment)).with_name(name))


def program(code: str, environment: str = "current", *, launcher: bool = True) -> list[str]:
    """Return the command that runs *code* in an *environment*."""
    start = [tool("opentelemetry-instrument", environment)] if launcher else []
    return [*start, http_matrix.python(environment), "-c", code]


@contextlib.contextmanager
def serving(
    arguments: list[str], sink: Sink, cwd: Path | None = None, port: int = 0, **variables: str
) -> Iterator[Server]:
    """Run a server that sends to *sink*, from its first answer on; killed at the end."""
    chosen = {
        "PORT": str(port or free_port()),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        **SOON,
        **variables,
    }
    with Server(arguments, cwd, **chosen) as server:
        server.wait()
        yield server


def connect(server: Server, seconds: float = 20.0) -> http.client.HTTPConnection:
    """Return a connection to *server*, which is made by its first request."""
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=seconds)


def ask(
    server: Server,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Return status and body that *server* answers to one request."""
    connection = connect(server)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def raw(server: Server, text: bytes) -> Iterator[socket.socket]:
    """Send *text* to *server*; the caller reads, or goes away by `hang_up`."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as opened:
        opened.sendall(text)
        yield opened


def hang_up(opened: socket.socket) -> None:
    """Close a connection at once, as a client does that crashes."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    opened.close()


def http_metrics(sink: Sink) -> list[Point]:
    """Return what arrived about requests."""
    return [point for point in sink.points if point.name in HTTP]


def latest(sink: Sink, name: str) -> dict[frozenset[tuple[str, object]], Point]:
    """Return the newest point of each series of the metric *name*, by attributes."""
    return {frozenset(point.attributes.items()): point for point in sink.metric(name)}


def server_spans(sink: Sink) -> list[Span]:
    """Return the spans of requests, in the order of their arrival."""
    return [span for span in sink.spans if span.kind == "SERVER"]
