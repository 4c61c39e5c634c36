# SPDX-License-Identifier: Apache-2.0
"""A request of a plain WSGI application is measured until the last byte of its answer."""

from __future__ import annotations

import contextvars
import gc
import io
import threading
import time
from collections.abc import Iterator
from typing import Any
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation

from otel_setup.instrumentation.http.wsgi import WsgiMiddleware
from otel_setup.testing import Telemetry
from tests.in_process import Gateway, ask_wsgi, environ

DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"
RECEIVED = "http.server.request.body.size"
SENT = "http.server.response.body.size"
CPU = "http.server.request.cpu.time"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def plain(*parts: bytes, status: str = "200 OK", length: bool = True) -> Any:
    """Return an application that reads the whole request and answers with a list of *parts*."""

    def app(asked: Any, start: Any) -> Any:
        asked["wsgi.input"].read()
        size = str(sum(map(len, parts or (b"ok",))))
        start(status, [("Content-Length", size)] if length else [])
        return list(parts or (b"ok",))

    return WsgiMiddleware(app)


def test_a_request_is_one_server_span_with_the_stable_attributes(otel: Telemetry) -> None:
    """These and no others."""
    asked = environ("/café".encode().decode("latin-1"), QUERY_STRING="page=2", SCRIPT_NAME="/shop")
    assert Gateway().run(plain(), asked) == b"ok"
    (span,) = otel.spans
    assert (span.name, span.kind, span.status, span.parent_id) == ("GET", "SERVER", "UNSET", "")
    assert span.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/shop/café",
        "url.query": "page=2",
        "network.protocol.version": "1.1",
        "client.address": "10.0.0.9",
        "network.peer.address": "10.0.0.9",
        "network.peer.port": 5555,
        "server.address": "shop.example",
        "server.port": 8000,
        "user_agent.original": "t",
        "http.response.status_code": 200,
    }


def test_a_request_is_counted_under_the_labels_of_the_catalogue(otel: Telemetry) -> None:
    """The trace of one is the exemplar of its duration."""
    ask_wsgi(plain(b"abc", b"de"), environ(method="POST", body=b"123456"))
    labels = {
        "http.request.method": "POST",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
    (duration,) = otel.metric(DURATION).points
    assert (duration.labels, duration.value) == (labels, 1)
    (span,) = otel.spans
    assert duration.exemplars == ((span.trace_id, span.span_id),)
    (sent,), (received,) = otel.metric(SENT).points, otel.metric(RECEIVED).points
    assert (sent.labels, sent.value, sent.sum) == (labels, 1, 5)
    assert (received.labels, received.value, received.sum) == (labels, 1, 6)
    assert otel.metric(ACTIVE).by("http.request.method") == {"POST": 0}
    assert otel.metric(CPU).value() > 0


def test_what_callers_choose_makes_no_series(otel: Telemetry) -> None:
    """Whatever host, path, agent, method, version and scheme they invent."""
    app = plain()
    for number in range(50):
        asked = environ(
            f"/{number}",
            f"M{number}",
            HTTP_HOST=f"h{number}:{number}",
            HTTP_USER_AGENT=f"a{number}",
            HTTP_X_FORWARDED_HOST=f"x{number}",
            SERVER_PROTOCOL=f"HTTP/{number}.7",
            REMOTE_ADDR=f"c{number}",
        )
        asked["wsgi.url_scheme"] = f"s{number}"
        ask_wsgi(app, asked)
    for name in (DURATION, SENT, ACTIVE, CPU):
        assert len(otel.metric(name).points) == 1


@pytest.mark.parametrize("read", ["read", "read-some", "readline", "readlines", "iter", "readinto"])
def test_each_way_to_read_a_request_is_counted(otel: Telemetry, read: str) -> None:
    """The bytes that were read, not those that were announced."""
    body = b"one\ntwo\nthree\n"

    def app(asked: Any, start: Any) -> Any:
        stream, got = asked["wsgi.input"], bytearray(4)
        if read == "read-some":
            stream.read(2), stream.read(2)
        elif read == "readinto":
            assert stream.readinto(got) == 4
        elif read == "iter":
            assert b"".join(stream) == body
        elif read == "readline":
            assert stream.readline() == b"one\n"
        elif read == "readlines":
            assert b"".join(stream.readlines()) == body
        else:
            assert stream.read() == body
        assert stream.tell() > 0  # all else is the server's own
        start("204 No Content", [])
        return []

    ask_wsgi(WsgiMiddleware(app), environ(method="POST", body=body))
    some = {"read-some": 4, "readline": 4, "readinto": 4}
    assert otel.metric(RECEIVED).points[0].sum == some.get(read, len(body))


def test_a_stream_lasts_until_its_last_byte(otel: Telemetry) -> None:
    """It is produced after the application returned; and belongs to its trace."""

    def app(_asked: Any, start: Any) -> Any:
        start("200 OK", [])
        for _ in range(3):
            time.sleep(0.03)
            with trace.get_tracer("shop").start_as_current_span("part"):
                yield b"x" * 10

    before = context.get_current()
    gateway = Gateway()
    body = iter(WsgiMiddleware(app)(environ(), gateway.start))
    assert next(body) == b"x" * 10
    assert context.get_current() == before
    assert otel.metric(ACTIVE).total == 1
    assert b"".join(body) == b"x" * 20
    (duration,) = otel.metric(DURATION).points
    assert 0.09 <= duration.sum < 1
    assert otel.metric(SENT).points[0].sum == 30
    *parts, request = otel.spans
    assert [part.parent_id for part in parts] == [request.span_id] * 3
    assert otel.metric(ACTIVE).total == 0


class NoPriceError(Exception):
    """What a test raises."""


def test_an_exception_is_recorded_once_and_raised_unchanged(otel: Telemetry) -> None:
    """It names the error in span and metric."""
    raised = NoPriceError("7")

    def app(_asked: Any, _start: Any) -> Any:
        raise raised

    with pytest.raises(NoPriceError) as caught:
        ask_wsgi(WsgiMiddleware(WsgiMiddleware(app)))
    assert caught.value is raised
    (span,) = otel.spans
    name = f"{NoPriceError.__module__}.NoPriceError"
    assert (span.status, span.status_text) == ("ERROR", "NoPriceError: 7")
    assert [event.name for event in span.events] == ["exception"]
    assert otel.metric(DURATION).by("error.type", "http.response.status_code") == {(name, None): 1}
    assert otel.metric(ACTIVE).total == 0


def test_what_is_suppressed_around_it_is_not_measured(otel: Telemetry) -> None:
    """A program may ask itself without being counted."""
    with suppress_instrumentation():
        assert Gateway().run(plain()) == b"ok"
    assert (otel.spans, otel.metrics) == ([], {})


def test_a_middleware_may_change_the_path_between_two_layers(otel: Telemetry) -> None:
    """It is one request all the same."""
    inner = plain()

    def strip(asked: Any, start: Any) -> Any:
        asked["PATH_INFO"] = "/elsewhere"
        return inner(asked, start)

    ask_wsgi(WsgiMiddleware(strip))
    assert [span.attributes["url.path"] for span in otel.spans] == ["/orders/7"]


@pytest.mark.parametrize("where", ["next", "close"])
def test_an_exception_of_the_answer_is_recorded(otel: Telemetry, where: str) -> None:
    """Its status was sent before."""

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            yield b"part"
            if where == "next":
                raise NoPriceError
            yield b"part"

        def close(self) -> None:
            if where == "close":
                raise NoPriceError

    def app(_asked: Any, start: Any) -> Any:
        start("200 OK", [])
        return Answer()

    body = iter(WsgiMiddleware(app)(environ(), Gateway().start))
    assert next(body) == b"part"
    with pytest.raises(NoPriceError):
        next(body) if where == "next" else body.close()
    (span,) = otel.spans
    assert (span.status, len(span.events)) == ("ERROR", 1)
    assert span.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    ("method", "status", "headers", "error"),
    [
        ("GET", "200 OK", [], "client_disconnected"),
        ("GET", "200 OK", [("Content-Length", "99")], "client_disconnected"),
        ("GET", "200 OK", [("content-length", "4")], None),
        ("HEAD", "200 OK", [("Content-Length", "99")], None),
        ("GET", "304 Not Modified", [], None),
    ],
)
def test_an_answer_that_is_closed_early_was_not_wanted(
    otel: Telemetry, method: str, status: str, headers: list[tuple[str, str]], error: str | None
) -> None:
    """Unless it was whole."""

    def app(_asked: Any, start: Any) -> Any:
        start(status, headers)
        yield b"part"
        yield b"more"

    body: Any = WsgiMiddleware(app)(environ(method=method), Gateway().start)
    next(iter(body))
    body.close()
    (span,) = otel.spans
    assert (span.attributes.get("error.type"), span.status) == (
        error,
        "ERROR" if error else "UNSET",
    )


def test_an_answer_of_known_length_has_ended_before_its_client_has_it(otel: Telemetry) -> None:
    """A process that is stopped as soon as its client is content has recorded it."""
    body = iter(plain(b"abc", b"de")(environ(), Gateway().start))
    assert next(body) == b"abc"
    assert otel.spans == []
    assert next(body) == b"de"
    assert len(otel.spans) == 1


def test_a_large_answer_has_not_ended_before_it_was_sent(otel: Telemetry) -> None:
    """The server comes back when its client took it."""
    body = iter(plain(b"x" * 100_000)(environ(), Gateway().start))
    next(body)
    assert otel.spans == []
    assert list(body) == []
    assert otel.metric(SENT).points[0].sum == 100_000


def test_a_large_answer_that_is_whole_may_be_closed_at_once(otel: Telemetry) -> None:
    """A server that knows the length need not ask for more."""
    body: Any = plain(b"x" * 100_000)(environ(), Gateway().start)
    next(iter(body))
    body.close()
    assert "error.type" not in otel.spans[0].attributes


def test_an_answer_that_nobody_reads_ends_when_it_is_dropped(otel: Telemetry) -> None:
    """A test client may look at the status only."""
    body = plain(length=False)(environ(), Gateway().start)
    assert otel.spans == []
    del body
    gc.collect()
    assert "error.type" not in otel.spans[0].attributes


def test_the_old_way_to_write_is_counted(otel: Telemetry) -> None:
    """``start_response`` returns a function for it."""

    def app(_asked: Any, start: Any) -> Any:
        write = start("200 OK", [])
        write(b"abc")
        return [b"de"]

    gateway = Gateway()
    assert gateway.run(WsgiMiddleware(app)) == b"abcde"
    assert otel.metric(SENT).points[0].sum == 5


def test_a_second_head_with_an_exception_replaces_the_first(otel: Telemetry) -> None:
    """As PEP 3333 allows until something was sent."""

    def app(_asked: Any, start: Any) -> Any:
        start("200 OK", [])
        start("503 Service Unavailable", [], (NoPriceError, NoPriceError(), None))
        return [b"sorry"]

    assert ask_wsgi(WsgiMiddleware(app)).status == "503 Service Unavailable"
    assert otel.metric(DURATION).by("http.response.status_code", "error.type") == {(503, "503"): 1}


def test_the_length_of_an_answer_is_still_known() -> None:
    """Servers make a Content-Length of it; what has none gets none."""
    assert len(plain(length=False)(environ(), Gateway().start)) == 1

    def app(_asked: Any, start: Any) -> Any:
        start("200 OK", [])
        yield b"x"

    assert not hasattr(WsgiMiddleware(app)(environ(), Gateway().start), "__len__")
    server = SimpleHandler(io.BytesIO(), out := io.BytesIO(), io.StringIO(), environ())
    server.run(plain(b"abc", length=False))
    assert b"Content-Length: 3\r\n" in out.getvalue()


def test_the_servers_own_file_wrapper_is_returned_as_it_is(otel: Telemetry) -> None:
    """Servers send such a file without reading it in Python."""
    file = io.BytesIO(b"model")

    def app(asked: Any, start: Any) -> Any:
        start("200 OK", [("Content-Length", "5")])
        return asked["wsgi.file_wrapper"](file)

    asked = environ(**{"wsgi.file_wrapper": FileWrapper})
    body: Any = WsgiMiddleware(app)(asked, Gateway().start)
    assert type(body) is FileWrapper
    assert otel.spans == []
    body.close()
    assert file.closed
    assert otel.metric(SENT).points[0].sum == 5
    assert "error.type" not in otel.spans[0].attributes


class Compiled:
    """A file wrapper of a server that is made in C."""

    __slots__ = ("_file",)

    def __init__(self, file: Any) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def test_a_file_wrapper_that_takes_no_attribute_is_read(otel: Telemetry) -> None:
    """It is sent all the same, and counted piece by piece."""
    file = io.BytesIO(b"mo\ndel")

    def app(asked: Any, start: Any) -> Any:
        start("200 OK", [])
        return asked["wsgi.file_wrapper"](file)

    asked = environ(**{"wsgi.file_wrapper": Compiled})
    assert Gateway().run(WsgiMiddleware(app), asked) == b"mo\ndel"
    assert file.closed
    assert otel.metric(SENT).points[0].sum == 6


@pytest.mark.parametrize("excluded", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_the_validator_of_the_standard_library_finds_nothing(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, *, excluded: bool, stream: bool
) -> None:
    """On either side of the layer."""
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "orders" if excluded else "/healthz$")

    def parts() -> Iterator[bytes]:
        yield b"o"
        yield b"k"

    def app(asked: Any, start: Any) -> Any:
        asked["wsgi.input"].read(1)
        start("200 OK", [("Content-Type", "text/plain")])
        return parts() if stream else [b"ok"]

    measured = validator(WsgiMiddleware(validator(app)))
    assert Gateway().run(measured, environ(method="POST", body=b"x")) == b"ok"
    assert len(otel.spans) == (0 if excluded else 1)


@pytest.mark.parametrize("edge", ["internal", "untrusted"])
def test_the_edge_decides_whose_trace_it_is(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, edge: str
) -> None:
    """Inside the caller's trace goes on, outside it is a link."""
    monkeypatch.setenv("OTEL_SETUP_EDGE", edge)
    ask_wsgi(plain(), environ(HTTP_TRACEPARENT=f"00-{TRACE}-{SPAN}-01", HTTP_BAGGAGE="a=1"))
    (span,) = otel.spans
    if edge == "internal":
        assert (span.trace_id, span.parent_id, span.links) == (TRACE, SPAN, ())
    else:
        assert (span.parent_id, span.links) == ("", ((TRACE, SPAN),))


def test_an_excluded_request_leaves_nothing_behind(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what it calls, also while its answer is produced."""
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "/healthz$")
    seen = []

    def app(_asked: Any, start: Any) -> Any:
        seen.append(is_instrumentation_enabled())
        start("200 OK", [])
        yield b"ok"
        seen.append(is_instrumentation_enabled())

    ask_wsgi(WsgiMiddleware(WsgiMiddleware(app)), environ("/healthz", QUERY_STRING="deep=1"))
    assert (seen, otel.spans, otel.metrics) == ([False, False], [], {})
    assert is_instrumentation_enabled()


def test_an_answer_may_be_produced_by_another_thread(
    otel: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """Each part runs in the trace, and no context is detached where it was not attached."""
    ids = []

    def app(_asked: Any, start: Any) -> Any:
        start("200 OK", [])
        for _ in range(2):
            ids.append(trace.get_current_span().get_span_context().span_id)
            yield b"x"

    body = iter(WsgiMiddleware(app)(environ(), Gateway().start))
    threads = [
        threading.Thread(target=contextvars.Context().run, args=(next, body, None))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
        thread.join()
    (span,) = otel.spans
    assert [f"{each:016x}" for each in ids] == [span.span_id] * 2
    assert caplog.records == []


BYTES = st.binary(max_size=40) | st.sampled_from([b"x" * 10_000, b"[::1]:8", b"a:b:c", b"a:99999"])
LATIN = BYTES.map(lambda data: data.decode("latin-1"))
KEYS = st.sampled_from(
    [
        *("HTTP_HOST", "HTTP_USER_AGENT", "HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE"),
        *("PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH", "SERVER_PORT", "REMOTE_PORT"),
        *("REMOTE_ADDR", "SERVER_PROTOCOL", "SCRIPT_NAME", "SERVER_NAME"),
    ]
)


@pytest.mark.parametrize("edge", ["internal", "untrusted"])
def test_no_request_can_break_the_layer(
    otel: Telemetry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    edge: str,
) -> None:
    """Any bytes in any part of it: the application answers."""
    monkeypatch.setenv("OTEL_SETUP_EDGE", edge)
    app = plain()

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.dictionaries(KEYS, LATIN, max_size=6), st.text("aZ-é"))
    def ask(more: dict[str, str], method: str) -> None:
        assert Gateway().run(app, environ(method=method, **more)) == b"ok"
        for value in otel.spans[-1].attributes.values():
            str(value).encode()  # what cannot be encoded cannot be sent

    ask()
    assert caplog.records == []
