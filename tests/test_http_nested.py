# SPDX-License-Identifier: Apache-2.0
"""One request is one span, however many apps and tasks it goes through, and whoever else asks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_setup.catalogue.entries import http as catalogue
from tests.http_asking import ask, http_metrics, latest, raw, server_spans, serving, tool
from tests.otlp_sink import Sink
from tests.programs import free_port

pytestmark = pytest.mark.stack

APPS = Path(__file__).with_name("http_apps")
AT_ONCE = 30

#: Path → status and route.
MOUNTED = {
    "/file": (200, "/file"),
    "/new/thing/a": (200, "/new/thing/{name}"),
    "/new/deep/thing/b": (200, "/new/deep/thing/{name}"),
    "/new/nowhere": (404, None),
    "/old/thing/c": (200, "/old/thing/<name>"),
    "/old/nowhere": (404, None),
    "/static/nested_app.py": (200, "/static"),
    "/static/nowhere": (404, None),
}

HELLO = (
    b"GET /socket HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def nested() -> Iterator[Sink]:
    """Ask the app for everything that is mounted in it, and for many things at once."""
    port = free_port()
    start = [tool("opentelemetry-instrument"), tool("uvicorn"), "--port", str(port)]
    with Sink() as sink:
        with serving([*start, "nested_app:app"], sink, APPS, port) as server:
            for path, (status, _route) in MOUNTED.items():
                assert ask(server, "GET", path)[0] == status
            asking = [
                threading.Thread(target=ask, args=(server, "GET", f"/slow/{number}"))
                for number in range(AT_ONCE)
            ]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            with raw(server, HELLO) as opened:
                assert opened.recv(4096).startswith(b"HTTP/1.1 101")
            server.end()
        yield sink


def test_a_mounted_app_is_the_same_request(nested: Sink) -> None:
    """One span with the whole route, whether Starlette's, static files or Flask."""
    seen = Counter(
        (
            span.attributes["url.path"],
            span.attributes["http.response.status_code"],
            span.attributes.get("http.route"),
        )
        for span in server_spans(nested)
        if not span.attributes["url.path"].startswith("/slow/")
    )
    assert seen == Counter((path, status, route) for path, (status, route) in MOUNTED.items())


def test_a_mounted_app_is_counted_once(nested: Sink) -> None:
    """As many requests as there were, in the metric too."""
    durations = latest(nested, catalogue.REQUEST_DURATION.name).values()
    assert sum(point.value for point in durations) == len(MOUNTED) + AT_ONCE


def test_requests_at_the_same_time_keep_apart(nested: Sink) -> None:
    """Each one's spans are in its own trace."""
    requests = {span.span_id: span.attributes["url.path"] for span in server_spans(nested)}
    children = {
        span.name.removeprefix("child "): requests[span.parent_id].removeprefix("/slow/")
        for span in nested.spans
        if span.name.startswith("child ")
    }
    assert children == {str(number): str(number) for number in range(AT_ONCE)}


def test_a_websocket_is_no_request(nested: Sink) -> None:
    """It lasts for hours and has no answer: in the durations it would be an outage."""
    told = [span.attributes for span in nested.spans] + [
        point.attributes for point in http_metrics(nested)
    ]
    assert [each for each in told if "/socket" in str(each)] == []


def test_a_mounted_app_is_the_same_request_below_a_root(sink: Sink) -> None:
    """A proxy that takes the first part of the path away is told to FastAPI as root_path."""
    port = free_port()
    start = [tool("opentelemetry-instrument"), tool("uvicorn"), "--port", str(port)]
    with serving([*start, "nested_app:app"], sink, APPS, port, APP_ROOT="/shop") as server:
        ask(server, "GET", "/old/thing/c")
        server.end()
    assert [span.attributes["url.path"] for span in server_spans(sink)] == ["/old/thing/c"]
