# SPDX-License-Identifier: Apache-2.0
"""A request of a plain ASGI application is measured from its first byte to its real end."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_setup.instrumentation.http.asgi import AsgiMiddleware
from otel_setup.instrumentation.http.exchange import KEY
from otel_setup.testing import Telemetry
from tests.in_process import HEADERS, Client, answer, ask_asgi, scope

DURATION = "http.server.request.duration"
ACTIVE = "http.server.active_requests"
RECEIVED = "http.server.request.body.size"
SENT = "http.server.response.body.size"
CPU = "http.server.request.cpu.time"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def plain(*parts: bytes, status: int = 200) -> Any:
    """Return an application that reads the whole request and answers with *parts*."""

    async def app(asked: Any, receive: Any, send: Any) -> None:
        del asked
        while (await receive()).get("more_body"):
            pass
        for message in answer(*(parts or (b"ok",)), status=status):
            await send(message)

    return AsgiMiddleware(app)


def test_a_request_is_one_server_span_with_the_stable_attributes(otel: Telemetry) -> None:
    """These and no others."""
    asked = scope(query_string=b"page=2", scheme="https")
    assert ask_asgi(plain(), asked).body == b"ok"
    (span,) = otel.spans
    assert (span.name, span.kind, span.status, span.parent_id) == ("GET", "SERVER", "UNSET", "")
    assert span.attributes == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": "/orders/7",
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
    ask_asgi(plain(b"abc", b"de"), scope(method="POST"), b"1234", b"56")
    labels = {
        "http.request.method": "POST",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
    (duration,) = otel.metric(DURATION).points
    assert (duration.labels, duration.value) == (labels, 1)
    assert 0 < duration.sum < 5
    (span,) = otel.spans
    assert duration.exemplars == ((span.trace_id, span.span_id),)
    (sent,), (received,) = otel.metric(SENT).points, otel.metric(RECEIVED).points
    assert (sent.labels, sent.value, sent.sum) == (labels, 1, 5)
    assert (received.labels, received.value, received.sum) == (labels, 1, 6)


def test_a_request_without_a_body_has_no_size_of_it(otel: Telemetry) -> None:
    """Zeros would hide the size of what is uploaded."""
    ask_asgi(plain())
    assert RECEIVED not in otel.metrics


@pytest.mark.parametrize(
    ("sent", "label", "name", "original"),
    [
        ("PATCH", "PATCH", "PATCH", None),
        ("QUERY", "QUERY", "QUERY", None),
        ("get", "GET", "GET", "get"),
        ("BREW", "_OTHER", "HTTP", "BREW"),
    ],
)
def test_a_method_that_nobody_knows_is_no_label(
    otel: Telemetry, sent: str, label: str, name: str, original: str | None
) -> None:
    """It stands in the span as it was sent."""
    ask_asgi(plain(), scope(method=sent))
    (span,) = otel.spans
    assert (span.name, span.attributes["http.request.method"]) == (name, label)
    assert span.attributes.get("http.request.method_original") == original
    assert otel.metric(DURATION).by("http.request.method") == {label: 1}


def test_what_callers_choose_makes_no_series(otel: Telemetry) -> None:
    """Whatever host, path, agent, method, version and scheme they invent."""
    app = plain()
    for number in range(50):
        headers = [
            (b"host", b"h%d:%d" % (number, number)),
            (b"user-agent", b"a%d" % number),
            (b"x-forwarded-host", b"x%d" % number),
            (b"x-forwarded-proto", b"p%d" % number),
        ]
        asked = scope(
            f"/{number}",
            f"M{number}",
            headers=headers,
            http_version=f"{number}.7",
            scheme=f"s{number}",
            client=(f"c{number}", number),
        )
        ask_asgi(app, asked)
    for name in (DURATION, SENT, ACTIVE, CPU):
        assert len(otel.metric(name).points) == 1


def test_a_stream_lasts_until_its_last_byte(otel: Telemetry) -> None:
    """What follows it is not waited for."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in answer(b"a" * 10, b"b" * 10, b"c" * 10):
            await asyncio.sleep(0.03)
            await send(message)
        assert len(otel.spans) == 1
        await asyncio.sleep(0.3)

    ask_asgi(AsgiMiddleware(app))
    (duration,) = otel.metric(DURATION).points
    assert 0.12 <= duration.sum < 0.4
    assert otel.metric(SENT).points[0].sum == 30


class NoPriceError(Exception):
    """What a test raises."""


def test_an_exception_is_recorded_once_and_raised_unchanged(otel: Telemetry) -> None:
    """It names the error in span and metric."""
    raised = NoPriceError("7")

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        raise raised

    with pytest.raises(NoPriceError) as caught:
        ask_asgi(AsgiMiddleware(AsgiMiddleware(app)))
    assert caught.value is raised
    (span,) = otel.spans
    name = f"{NoPriceError.__module__}.NoPriceError"
    assert (span.status, span.status_text) == ("ERROR", "NoPriceError: 7")
    assert span.attributes["error.type"] == name
    assert [event.name for event in span.events] == ["exception"]
    assert span.events[0].attributes["exception.type"] == name
    assert otel.metric(DURATION).by("error.type", "http.response.status_code") == {(name, None): 1}
    assert SENT not in otel.metrics
    assert otel.metric(ACTIVE).total == 0


def test_an_exception_after_an_answer_of_500_belongs_to_it(otel: Telemetry) -> None:
    """So do frameworks: they answer first. The clock stops with the answer."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in answer(b"sorry", status=500):
            await send(message)
        await asyncio.sleep(0.2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        ask_asgi(AsgiMiddleware(app))
    (span,) = otel.spans
    assert (span.attributes["error.type"], span.attributes["http.response.status_code"]) == (
        "ValueError",
        500,
    )
    assert len(span.events) == 1
    assert span.seconds < 0.2
    (duration,) = otel.metric(DURATION).points
    assert duration.sum < 0.2


@pytest.mark.parametrize(("status", "error"), [(499, None), (500, "500"), (503, "503")])
def test_an_answer_of_500_and_more_is_an_error(
    otel: Telemetry, status: int, error: str | None
) -> None:
    """Below that the caller is wrong, not the server."""
    ask_asgi(plain(status=status))
    (span,) = otel.spans
    assert (span.status, span.attributes.get("error.type")) == (
        "ERROR" if error else "UNSET",
        error,
    )
    assert otel.metric(DURATION).by("error.type") == {error: 1}


def test_a_client_that_hangs_up_ends_the_request(otel: Telemetry) -> None:
    """The application saw it and stopped."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await send(answer(b"a", b"b")[0])
        await send(answer(b"a", b"b")[1])
        while (await receive())["type"] != "http.disconnect":
            pass

    ask_asgi(AsgiMiddleware(app), hangs_up=True)
    (span,) = otel.spans
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "client_disconnected")
    assert otel.metric(DURATION).by("error.type") == {"client_disconnected": 1}
    assert otel.metric(SENT).points[0].sum == 1
    assert otel.metric(ACTIVE).total == 0


def test_a_cancelled_request_ends(otel: Telemetry) -> None:
    """Servers cancel what their client does not wait for any more."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(60)

    async def serve() -> None:
        client = Client()
        task = asyncio.create_task(AsgiMiddleware(app)(scope(), client.receive, client.send))
        await asyncio.sleep(0.01)
        assert otel.metric(ACTIVE).total == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(serve())
    (span,) = otel.spans
    assert (span.attributes["error.type"], span.events) == ("asyncio.exceptions.CancelledError", ())
    assert otel.metric(ACTIVE).total == 0


def test_an_application_that_stops_half_way_is_an_error(otel: Telemetry) -> None:
    """Its client waits for the rest."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(answer(b"a", b"b")[0])

    ask_asgi(AsgiMiddleware(app))
    assert otel.spans[0].attributes["error.type"] == "incomplete_response"


@pytest.mark.parametrize(
    ("messages", "size"),
    [
        ([{"type": "http.response.body"}], 0),
        (
            [
                {"type": "http.response.body", "body": b"ab"},
                {"type": "http.response.trailers", "more_trailers": True},
                {"type": "http.response.trailers", "headers": []},
            ],
            2,
        ),
        ([{"type": "http.response.pathsend", "path": "/x"}], 77),
        (
            [
                {"type": "http.response.zerocopysend", "count": 5, "more_body": True},
                {"type": "http.response.zerocopysend", "count": 6},
            ],
            11,
        ),
        ([{"type": "http.response.debug"}, {"type": "http.response.body", "body": b"abc"}], 3),
    ],
)
def test_each_way_to_send_a_body_ends_and_is_counted(
    otel: Telemetry, messages: list[dict[str, Any]], size: int
) -> None:
    """Extensions of ASGI let the server send files by itself."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"Content-Length", b"77")],
        "trailers": any(message["type"].endswith("trailers") for message in messages),
    }

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start)
        for message in messages:
            assert otel.spans == []
            await send(message)
        assert len(otel.spans) == 1

    ask_asgi(AsgiMiddleware(app))
    assert otel.metric(SENT).points[0].sum == size
    assert "error.type" not in otel.spans[0].attributes


def test_the_answer_to_head_has_no_bytes(otel: Telemetry) -> None:
    """The application makes a body; the server leaves it out."""
    ask_asgi(plain(b"abc"), scope(method="HEAD"))
    assert otel.metric(SENT).points[0].sum == 0


def test_what_the_application_does_is_part_of_the_trace(otel: Telemetry) -> None:
    """Also after it answered; and outside nothing is left of it."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in answer(b"ok"):
            await send(message)
        trace.get_tracer("shop").start_span("later").end()

    async def serve() -> None:
        client = Client()
        before = context.get_current()
        await AsgiMiddleware(app)(scope(), client.receive, client.send)
        assert context.get_current() == before

    asyncio.run(serve())
    request, later = otel.span("GET"), otel.span("later")
    assert (later.trace_id, later.parent_id) == (request.trace_id, request.span_id)


@pytest.mark.parametrize("edge", ["internal", "untrusted"])
def test_the_edge_decides_whose_trace_it_is(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, edge: str
) -> None:
    """Inside the caller's trace goes on, outside it is a link."""
    monkeypatch.setenv("OTEL_SETUP_EDGE", edge)
    headers = [*HEADERS, (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode()), (b"baggage", b"a=1")]
    ask_asgi(plain(), scope(headers=headers))
    (span,) = otel.spans
    if edge == "internal":
        assert (span.trace_id, span.parent_id, span.links) == (TRACE, SPAN, ())
    else:
        assert (span.parent_id, span.links) == ("", ((TRACE, SPAN),))
        assert span.trace_id != TRACE


def test_an_excluded_request_leaves_nothing_behind(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does what it calls, be it instrumented or traced by hand."""
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "/healthz$")
    seen = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        seen.append(is_instrumentation_enabled())
        with trace.get_tracer("shop").start_as_current_span("SELECT"):
            for message in answer(b"ok"):
                await send(message)

    measured = AsgiMiddleware(AsgiMiddleware(app))
    kept = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)  # with the default sampler
    tracers.add_span_processor(SimpleSpanProcessor(kept))
    with monkeypatch.context() as patched:
        patched.setattr(trace, "_TRACER_PROVIDER", tracers)
        assert ask_asgi(measured, scope("/healthz")).body == b"ok"
        assert (seen, kept.get_finished_spans(), otel.metrics) == ([False], (), {})
        ask_asgi(measured, scope("/healthz/deep"))
    assert [span.name for span in kept.get_finished_spans()] == ["GET", "SELECT"]
    assert seen == [False, True]


def test_what_is_suppressed_around_it_is_not_measured(otel: Telemetry) -> None:
    """A program may ask itself without being counted."""
    with suppress_instrumentation():
        assert ask_asgi(plain()).body == b"ok"
    assert (otel.spans, otel.metrics) == ([], {})


def test_the_cpu_time_of_a_request_is_its_own(otel: Telemetry) -> None:
    """What it waits for is not, nor what others do on the same thread meanwhile."""

    def burn(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    async def app(asked: Any, _receive: Any, send: Any) -> None:
        asked[KEY].route = asked["path"]
        for _ in range(5):
            if asked["path"] == "/busy":
                burn(0.02)
            await asyncio.sleep(0.002)
        for message in answer(b"ok"):
            await send(message)

    async def serve() -> None:
        measured = AsgiMiddleware(app)
        clients = [(Client(), path) for path in ("/waits", "/busy")]
        await asyncio.gather(
            *(measured(scope(path), one.receive, one.send) for one, path in clients)
        )

    asyncio.run(serve())
    spent = otel.metric(CPU).by("http.route", "http.request.method")
    assert 0.1 <= spent["/busy", "GET"] < 0.2
    assert 0 < spent["/waits", "GET"] < 0.05


def test_what_has_no_route_is_one_series_of_cpu_time(otel: Telemetry) -> None:
    """Whatever the methods of it."""
    for method in ("GET", "POST", "BREW"):
        ask_asgi(plain(), scope(method=method))
    assert [point.labels for point in otel.metric(CPU).points] == [{}]


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_not_http_passes_untouched(otel: Telemetry, kind: str) -> None:
    """The application gets the very objects of the server."""
    got: list[Any] = []

    async def app(*given: Any) -> None:
        got.extend(given)

    client, asked = Client(), {"type": kind, "path": "/"}
    receive, send = client.receive, client.send
    asyncio.run(AsgiMiddleware(app)(asked, receive, send))
    assert [given is own for given, own in zip(got, (asked, receive, send), strict=True)] == [
        True
    ] * 3
    assert asked == {"type": kind, "path": "/"}
    assert otel.spans == []


def test_a_loop_that_is_closed_half_way_does_no_harm(
    otel: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """What still ran is closed in another context, where nothing can be detached."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(60)

    client = Client()
    running = AsgiMiddleware(app)(scope(), client.receive, client.send)

    async def begin() -> None:
        running.send(None)

    asyncio.run(begin())
    running.close()
    assert caplog.records == []
    assert otel.spans[0].attributes["error.type"] == "GeneratorExit"


class BrokenTracers(trace.NoOpTracerProvider):
    """Tracers that fail."""

    def get_tracer(self, *_args: Any, **_kwargs: Any) -> Any:
        """Return one that cannot make a span."""

        class Tracer(trace.NoOpTracer):
            def start_span(self, *_args: Any, **_kwargs: Any) -> Any:
                raise RuntimeError("no spans today")

        return Tracer()


def test_trouble_of_ours_is_none_of_the_applications(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers, and one line says what is missing."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trace, "_TRACER_PROVIDER", BrokenTracers())
        for _ in range(3):
            assert ask_asgi(plain()).body == b"ok"
    assert caplog.messages == [
        (
            "beginning a request failed (RuntimeError: no spans today). "
            "The application goes on, with less telemetry."
        )
    ]


BYTES = st.binary(max_size=40) | st.sampled_from([b"x" * 10_000, b"[::1]:8", b"a:b:c", b"a:99999"])
NAMES = st.sampled_from(
    [b"host", b"user-agent", b"traceparent", b"tracestate", b"baggage", b"\xff"]
)


@pytest.mark.parametrize("edge", ["internal", "untrusted"])
def test_no_request_can_break_the_layer(
    otel: Telemetry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    edge: str,
) -> None:
    """Any bytes in any header, path, query and method: the application answers."""
    monkeypatch.setenv("OTEL_SETUP_EDGE", edge)
    caplog.set_level(logging.WARNING)
    app = plain()

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.tuples(NAMES, BYTES), max_size=6), st.text(max_size=20), BYTES, st.text("aZ-é")
    )
    def ask(headers: list[tuple[bytes, bytes]], path: str, query: bytes, method: str) -> None:
        asked = scope(path, method, headers=headers, query_string=query)
        assert ask_asgi(app, asked).body == b"ok"
        for value in otel.spans[-1].attributes.values():
            str(value).encode()  # what cannot be encoded cannot be sent

    ask()
    assert caplog.records == []
    assert {point.labels["http.request.method"] for point in otel.metric(DURATION).points} <= {
        "_OTHER"
    }
