# SPDX-License-Identifier: Apache-2.0
"""
Requests that are more than a small answer are measured to their real end and size.

Upstream stops its clock when the app returns, so that a download that runs for minutes
counts as an instant one; an exception or a client that hangs up is not counted at all.
Each test asks the frameworks and servers that differ in this.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from otel_setup.catalogue.entries import http as catalogue
from tests.http_asking import ask, connect, hang_up, latest, raw, serving, tool
from tests.otlp_sink import Point, Sink, Span
from tests.programs import Server, free_port

# The first server of an environment may have to install it.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

APPS = Path(__file__).with_name("http_apps")
DURATION = catalogue.REQUEST_DURATION.name
SENT = catalogue.RESPONSE_BODY_SIZE.name
RECEIVED = catalogue.REQUEST_BODY_SIZE.name
ACTIVE = catalogue.ACTIVE_REQUESTS.name

FIVE_MB = 5_000_000
#: What reached the server of the upload that was given up, at most.
GIVEN_UP = 1_000_000

_GUNICORN = ("gunicorn", "--log-level", "critical", "-b", "127.0.0.1:{port}", "-k")
_UVICORN = ("uvicorn", "--log-level", "critical", "--port", "{port}")
_FLASK, _FASTAPI = "flask_app:app", "fastapi_app:app"


@dataclass(frozen=True)
class Serving:
    """How a server is started with an app."""

    arguments: tuple[str, ...]
    environment: str = "current"
    #: An app of no framework sets telemetry up by itself.
    launched: bool = True

    def command(self, port: int) -> list[str]:
        """Return the command that listens on *port*."""
        program, *rest = (each.format(port=port) for each in self.arguments)
        start = [tool("opentelemetry-instrument", self.environment)] if self.launched else []
        return [*start, tool(program, self.environment), *rest]


SERVERS = {
    "uvicorn-fastapi": Serving((*_UVICORN, _FASTAPI)),
    "uvicorn-fastapi-0.110": Serving((*_UVICORN, _FASTAPI), "fastapi-0.110"),
    "uvicorn-asgi": Serving((*_UVICORN, "asgi_app:app"), launched=False),
    "gunicorn-sync-flask": Serving((*_GUNICORN, "sync", _FLASK)),
    "gunicorn-sync-flask-2.3": Serving((*_GUNICORN, "sync", _FLASK), "flask-2.3"),
    "gunicorn-gthread-flask": Serving((*_GUNICORN, "gthread", "--threads", "2", _FLASK)),
    "gunicorn-sync-wsgi": Serving((*_GUNICORN, "sync", "wsgi_app:app"), launched=False),
}


@dataclass(frozen=True)
class Ran:
    """One server that was asked everything and ended."""

    name: str
    sink: Sink
    #: Whether an answer that was being sent counted as an active request.
    active: bool

    def spans(self, path: str, method: str = "GET") -> list[Span]:
        """Return the spans of requests of *path*."""
        return [
            span
            for span in self.sink.spans
            if span.attributes.get("url.path") == path
            and span.attributes.get("http.request.method") == method
        ]

    def series(self, metric: str, path: str, method: str = "GET") -> list[Point]:
        """Return the newest points of *metric* that the requests of *path* are in."""
        (span, *_) = self.spans(path, method)
        # An app of no framework has no routes, so each path answers with a status of its own.
        keys = ("http.response.status_code", "error.type", "http.route")
        return [
            point
            for point in latest(self.sink, metric).values()
            if point.attributes.get("http.request.method") == method
            and all(point.attributes.get(key) == span.attributes.get(key) for key in keys)
        ]

    def one(self, metric: str, path: str, method: str = "GET") -> Point:
        """Return the only point of *metric* for *path*, which is of one request."""
        (point,) = self.series(metric, path, method)
        assert point.value == 1
        return point


def eventually(sink: Sink, arrived: Callable[[Sink], object]) -> bool:
    """Wait for *arrived*; that it never came is for the tests to say, one by one."""
    try:
        return bool(sink.wait_for(arrived, 5))
    except AssertionError:
        return False


def ended(sink: Sink, path: str) -> list[Span]:
    """Return the spans of *path* that arrived."""
    return [span for span in sink.spans if span.attributes.get("url.path") == path]


def give_up_a_download(server: Server, sink: Sink) -> bool:
    """Read a little of an endless answer and hang up; tell whether it counted as active."""
    with raw(server, b"GET /endless HTTP/1.1\r\nHost: shop\r\n\r\n") as opened:
        assert b" 226 " in opened.recv(4096)
        before = len(sink.points)
        active = eventually(
            sink,
            lambda arrived: any(
                point.name == ACTIVE
                and point.attributes["http.request.method"] == "GET"
                and point.value == 1
                for point in arrived.points[before:]
            ),
        )
        time.sleep(0.1)
        hang_up(opened)
    eventually(sink, lambda arrived: ended(arrived, "/endless"))
    return active


def give_up_an_upload(server: Server, sink: Sink) -> None:
    """Send the first part of an upload and hang up."""
    eventually(sink, lambda arrived: ended(arrived, "/upload"))  # the one before
    before = len(ended(sink, "/upload"))
    head = f"POST /upload HTTP/1.1\r\nHost: shop\r\nContent-Length: {FIVE_MB}\r\n\r\n"
    with raw(server, head.encode() + b"x" * GIVEN_UP) as opened:
        time.sleep(0.3)  # the app reads what is there and waits for more
        hang_up(opened)
    eventually(sink, lambda arrived: len(ended(arrived, "/upload")) > before)


def ask_everything(server: Server, sink: Sink) -> bool:
    """Send each kind of request once; tell whether one that ran counted as active."""
    connection = connect(server)
    # Over one connection, where what is left of one answer would be taken for the next.
    for path in ("/json", "/stream", "/large"):
        connection.request("GET", path)
        connection.getresponse().read()
    connection.close()
    assert ask(server, "HEAD", "/json") == (200, b"")
    assert ask(server, "POST", "/upload", b"x" * FIVE_MB) == (201, b"5000000")
    assert ask(server, "GET", "/raises")[0] == 500
    with raw(server, b"GET /breaks HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n") as opened:
        while opened.recv(65536):
            pass
    active = give_up_a_download(server, sink)
    give_up_an_upload(server, sink)
    assert ask(server, "GET", "/json")[0] == 200  # and still works
    return active


@pytest.fixture(scope="module", params=SERVERS)
def ran(request: pytest.FixtureRequest) -> Iterator[Ran]:
    """Run one server with one app, ask it everything, end it."""
    port = free_port()
    with Sink() as sink:
        with serving(SERVERS[request.param].command(port), sink, APPS, port) as server:
            active = ask_everything(server, sink)
            server.end()
        yield Ran(request.param, sink, active)


def test_a_stream_lasts_until_its_last_byte(ran: Ran) -> None:
    """0.3 s of chunks are 0.3 s in the metric and in the span."""
    assert 0.3 <= ran.one(DURATION, "/stream").sum < 5
    (span,) = ran.spans("/stream")
    assert 0.3 <= span.seconds < 5


def test_what_makes_the_chunks_is_in_the_trace(ran: Ran) -> None:
    """A generator runs after the app returned, and is still the request."""
    (span,) = ran.spans("/stream")
    chunks = [each for each in ran.sink.spans if each.name == "chunk"]
    assert [(each.trace_id, each.parent_id) for each in chunks] == [
        (span.trace_id, span.span_id)
    ] * 5


def test_a_request_leaves_no_context_behind(ran: Ran) -> None:
    """The next one on the same worker is a trace of its own."""
    requests = [span for span in ran.sink.spans if span.kind == "SERVER"]
    assert {span.parent_id for span in requests} == {""}
    assert len({span.trace_id for span in requests}) == len(requests)


def test_each_answer_has_its_own_size(ran: Ran) -> None:
    """Small, streamed without a length, and large: counted, in buckets that tell them apart."""
    small = sum(point.sum for point in ran.series(SENT, "/json"))
    assert small == 8 * 2
    assert ran.one(SENT, "/stream").sum == 5000
    large = ran.one(SENT, "/large")
    assert large.sum == 2_000_000
    assert large.bounds == catalogue.RESPONSE_BODY_SIZE.buckets
    assert large.buckets.index(1) == large.bounds.index(1e7)


def test_the_answer_to_head_has_no_body(ran: Ran) -> None:
    """Its Content-Length is that of another request's answer."""
    assert [point.sum for point in ran.series(SENT, "/json", "HEAD")] in ([], [0])
    assert ran.one(DURATION, "/json", "HEAD").attributes["http.response.status_code"] == 200


def test_an_upload_has_the_size_that_was_sent(ran: Ran) -> None:
    """5 MB are 5,000,000 bytes, in the bucket up to ten million."""
    (point,) = [
        point
        for point in latest(ran.sink, RECEIVED).values()
        if point.attributes.get("http.response.status_code") == 201
    ]
    assert (point.value, point.sum) == (1, FIVE_MB)
    assert point.buckets.index(1) == point.bounds.index(1e7)


def test_an_upload_that_is_given_up_is_recorded(ran: Ran) -> None:
    """As one that failed, with no more bytes than came."""
    (done, given_up) = ran.spans("/upload", "POST")
    assert done.attributes["http.response.status_code"] == 201
    assert given_up.attributes.get("http.response.status_code") != 201
    assert (
        "error.type" in given_up.attributes
        # Flask answers 400 to what it could not read: no error of the server.
        or given_up.attributes["http.response.status_code"] == 400
    )
    assert 0.2 < given_up.seconds < 10
    sizes = [
        point.sum
        for point in latest(ran.sink, RECEIVED).values()
        if point.attributes.get("http.response.status_code") != 201
    ]
    assert all(0 <= size <= GIVEN_UP for size in sizes)


def test_an_exception_is_recorded_with_its_class(ran: Ran) -> None:
    """Whether a framework answers for it or the server does."""
    point = ran.one(DURATION, "/raises")
    assert point.attributes["error.type"] == "ValueError"
    (span,) = ran.spans("/raises")
    assert (span.attributes["error.type"], span.status) == ("ValueError", "ERROR")
    answered = 500 if ran.name.startswith("uvicorn-fastapi") else None
    assert span.attributes.get("http.response.status_code") == answered


def test_an_answer_that_breaks_off_is_an_error(ran: Ran) -> None:
    """Its status was sent before it failed, and says nothing about that."""
    point = ran.one(DURATION, "/breaks")
    assert point.attributes["http.response.status_code"] == 207
    assert point.attributes["error.type"] == "ValueError"
    assert point.sum >= 0.05
    (span,) = ran.spans("/breaks")
    assert span.status == "ERROR"
    assert ran.one(SENT, "/breaks").sum == 1000


def test_a_client_that_hangs_up_ends_its_request(ran: Ran) -> None:
    """It is recorded with error.type, with the time and the bytes until then."""
    point = ran.one(DURATION, "/endless")
    assert point.attributes["error.type"]
    assert 0.1 < point.sum < 20
    (span,) = ran.spans("/endless")
    assert span.attributes["error.type"] == point.attributes["error.type"]
    assert ran.one(SENT, "/endless").sum >= 1000


def test_a_request_is_active_until_it_ends(ran: Ran) -> None:
    """While its answer is sent, and whatever went wrong not any longer."""
    assert ran.active
    active = latest(ran.sink, ACTIVE)
    assert active
    assert {point.value for point in active.values()} == {0}


def test_work_after_the_answer_is_not_the_requests_time(sink: Sink) -> None:
    """The client has its answer; the task is still part of the trace."""
    port = free_port()
    with serving(SERVERS["uvicorn-fastapi"].command(port), sink, APPS, port) as server:
        assert ask(server, "GET", "/background")[0] == 202
        sink.wait_for(lambda arrived: any(each.name == "background" for each in arrived.spans))
        server.end()
    (request,) = [span for span in sink.spans if span.kind == "SERVER"]
    (task,) = [span for span in sink.spans if span.name == "background"]
    assert task.seconds >= 0.5
    assert request.seconds < 0.5
    assert (task.trace_id, task.parent_id) == (request.trace_id, request.span_id)
    (point,) = latest(sink, DURATION).values()
    assert point.sum < 0.5


def test_an_upload_in_chunks_has_a_size_as_well(sink: Sink) -> None:
    """It announces none, so only counting tells."""
    for name, started in SERVERS.items():
        port = free_port()
        with serving(started.command(port), sink, APPS, port, OTEL_SERVICE_NAME=name) as server:
            connection = connect(server)
            chunks = iter([b"x" * 500_000] * 10)
            connection.request("POST", "/upload", chunks, encode_chunked=True)
            assert connection.getresponse().read() == b"5000000"
            connection.close()
            server.end()
    sizes = {point.resource["service.name"]: point.sum for point in sink.metric(RECEIVED)}
    assert sizes == dict.fromkeys(SERVERS, FIVE_MB)
