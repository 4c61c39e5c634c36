# SPDX-License-Identifier: Apache-2.0
"""FastAPI, Starlette and Flask tell the layer their routes, and get all of it or nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import fastapi.routing
import flask
import pytest
import starlette.routing
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from flask import Flask
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.exceptions import StarletteDeprecationWarning
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Host, Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from otel_setup.instrumentation.http.fastapi import FastAPIInstrumentor
from otel_setup.instrumentation.http.flask import FlaskInstrumentor
from otel_setup.instrumentation.http.starlette import StarletteInstrumentor
from otel_setup.testing import Telemetry
from tests.in_process import Client, Gateway, ask_asgi, environ, scope

INSTRUMENTORS = (FastAPIInstrumentor, StarletteInstrumentor, FlaskInstrumentor)
DURATION = "http.server.request.duration"
CPU = "http.server.request.cpu.time"


@pytest.fixture
def _patched(otel: Telemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Patch all three frameworks for one test."""
    del otel
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "/healthz$")
    for instrumentor in INSTRUMENTORS:
        instrumentor().instrument()
    yield
    for instrumentor in INSTRUMENTORS:
        instrumentor().uninstrument()


pytestmark = pytest.mark.usefixtures("_patched")


def burn(seconds: float) -> None:
    """Use the processor."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def company() -> FastAPI:
    """Return a FastAPI application with every way to add a route."""
    app, inner = FastAPI(), FastAPI()
    orders, deep = APIRouter(prefix="/orders"), APIRouter(prefix="/deep/{shop}")

    @orders.get("/{order_id}")
    async def order(order_id: int) -> int:
        return order_id

    @orders.get("/{order_id}/files/{name:path}")
    def file(order_id: int, name: str) -> str:
        return f"{order_id}{name}"

    @inner.get("/prices/{price_id}")
    def price(price_id: int) -> int:
        return price_id

    def ask_route(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.path)

    deep.include_router(orders, prefix="/again")
    app.include_router(orders, prefix="/v1")
    app.include_router(deep)
    app.add_route("/plain/{name}", ask_route)
    app.mount("/tenants/{tenant}", inner)
    app.mount("/sub", Starlette(routes=[Mount("/more", routes=[Route("/{x}", ask_route)])]))
    app.mount("/static", StaticFiles(directory="tests"))
    app.router.routes.append(Host("api.example", app=inner))
    return app


ROUTES = {
    "/v1/orders/7": "/v1/orders/{order_id}",
    "/v1/orders/7/files/a/b.stl": "/v1/orders/{order_id}/files/{name:path}",
    "/deep/acme/again/orders/7": "/deep/{shop}/again/orders/{order_id}",
    "/plain/x": "/plain/{name}",
    "/docs": "/docs",
    "/tenants/acme/prices/7": "/tenants/{tenant}/prices/{price_id}",
    "/sub/more/x": "/sub/more/{x}",
    "/static/conftest.py": "/static",
    "/static/nothing": None,
    "/tenants/acme/nothing": None,
    "/nothing": None,
    "/v1/orders/7/": None,  # sent to the path without the slash
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_route_is_the_whole_template(otel: Telemetry, path: str) -> None:
    """With all prefixes of routers and mounts, as they are written; never the path itself."""
    ask_asgi(company(), scope(path))
    (span,) = otel.spans
    route = ROUTES[path]
    assert (span.name, span.attributes.get("http.route")) == (
        f"GET {route}" if route else "GET",
        route,
    )
    assert otel.metric(DURATION).by("http.route") == {route: 1}
    assert otel.metric(CPU).by("http.route").keys() == {route}


@pytest.mark.parametrize("root", ["/behind", "/tenants/acme"])
def test_where_a_proxy_put_the_application_is_no_part_of_the_route(
    otel: Telemetry, root: str
) -> None:
    """Some take that from a header."""
    app = FastAPI()
    app.get("/orders/{order_id}")(lambda order_id: order_id)
    ask_asgi(app, scope(root + "/orders/7", root_path=root))
    assert otel.spans[0].name == "GET /orders/{order_id}"


def test_the_wrong_method_has_the_route_that_refused_it(otel: Telemetry) -> None:
    """FastAPI knows it, Flask does not."""
    ask_asgi(company(), scope("/v1/orders/7", "DELETE"))
    app = Flask("shop")
    app.get("/orders")(lambda: "ok")
    Gateway().run(app, environ("/orders", "DELETE"))
    assert [(span.name, span.attributes["http.response.status_code"]) for span in otel.spans] == [
        ("DELETE /v1/orders/{order_id}", 405),
        ("DELETE", 405),
    ]


def test_an_unhandled_exception_is_recorded_although_the_framework_answers(
    otel: Telemetry,
) -> None:
    """Starlette raises it after its answer, Flask keeps it to itself."""
    app, other = FastAPI(), Flask("shop")

    @app.get("/fails")
    @other.get("/fails")
    def fails() -> None:
        raise LookupError("no such price")

    with pytest.raises(LookupError):
        ask_asgi(app, scope("/fails"))
    gateway = Gateway()
    gateway.run(other, environ("/fails"))
    assert gateway.status == "500 INTERNAL SERVER ERROR"
    for span in otel.spans:
        assert (span.name, span.status) == ("GET /fails", "ERROR")
        assert span.status_text == "LookupError: no such price"
        assert span.attributes["error.type"] == "LookupError"
        assert span.attributes["http.response.status_code"] == 500
        assert [event.name for event in span.events] == ["exception"]
    assert otel.metric(DURATION).by("error.type", "http.response.status_code") == {
        ("LookupError", 500): 2
    }


def test_an_exception_that_is_an_answer_is_no_event(otel: Telemetry) -> None:
    """The status says it all."""
    app, other = FastAPI(), Flask("shop")

    @app.get("/busy")
    def busy() -> None:
        raise HTTPException(503)

    @other.get("/busy")
    def busy_too() -> None:
        flask.abort(503)

    @other.errorhandler(LookupError)
    def mend(_error: LookupError) -> tuple[str, int]:
        return "mended", 502

    @other.get("/mended")
    def mended() -> None:
        raise LookupError

    ask_asgi(app, scope("/busy"))
    Gateway().run(other, environ("/busy"))
    Gateway().run(other, environ("/mended"))
    assert [(span.attributes["error.type"], span.events) for span in otel.spans] == [
        ("503", ()),
        ("503", ()),
        ("502", ()),
    ]


def test_an_exception_that_flask_passes_on_is_recorded_once(otel: Telemetry) -> None:
    """As in tests and in its debugger."""
    app = Flask("shop")
    app.config["PROPAGATE_EXCEPTIONS"] = True
    raised = LookupError("no such price")

    @app.get("/fails")
    def fails() -> None:
        raise raised

    with pytest.raises(LookupError) as caught:
        Gateway().run(app, environ("/fails"))
    assert caught.value is raised
    (span,) = otel.spans
    assert (span.name, span.attributes["error.type"]) == ("GET /fails", "LookupError")
    assert len(span.events) == 1


def test_fastapi_says_nothing_itself(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither spans of its operations, nor log records, nor a second exporter."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    configured = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        configured.append(app._telemetry["auto_configure"])
        yield

    app = FastAPI(lifespan=lifespan)
    before = dict(app._telemetry)

    @app.get("/items/{item_id}", dependencies=[Depends(lambda: 1)])
    def item(item_id: int) -> int:
        return 1 // item_id

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    with pytest.raises(ZeroDivisionError):
        ask_asgi(app, scope("/items/0"))
    ask_asgi(app, scope("/items/word"))
    run_lifespan(app)
    socket = {**scope("/live"), "type": "websocket", "subprotocols": []}
    del socket["method"]
    messages: list[Any] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect"}]
    asyncio.run(app(socket, *ends(messages)))
    assert {span.scope for span in otel.spans} == {"otel_setup"}
    assert len(otel.spans) == 2
    assert {log.logger for log in otel.logs} <= {"asyncio"}
    assert configured == [False]
    assert app._telemetry == before


def ends(messages: list[Any]) -> tuple[Any, Any]:
    """Return a receive that gives *messages* and a send that takes all."""

    async def receive() -> Any:
        return messages.pop(0)

    async def send(_message: Any) -> None:
        pass

    return receive, send


def run_lifespan(app: Any) -> None:
    """Start and stop *app* as a server does."""
    messages: list[Any] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    asyncio.run(app({"type": "lifespan", "state": {}}, *ends(messages)))


@pytest.mark.parametrize("kind", ["async", "thread", "middleware", "stream"])
def test_cpu_time_is_counted_wherever_the_request_runs(otel: Telemetry, kind: str) -> None:
    """On the loop, in the thread pool, in a task of a middleware, in a stream of a generator."""
    app = FastAPI()

    async def on_the_loop() -> str:
        burn(0.1)
        return "ok"

    def in_a_thread() -> str:
        burn(0.1)
        return "ok"

    def parts() -> Iterator[bytes]:
        for _ in range(5):
            burn(0.02)
            yield b"x"

    async def pass_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    if kind == "middleware":
        app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    endpoint = {
        "thread": in_a_thread,
        "stream": lambda: StreamingResponse(parts()),
    }.get(kind, on_the_loop)
    app.get("/work")(endpoint)
    ask_asgi(app, scope("/work"))
    assert 0.1 <= otel.metric(CPU).value({"http.route": "/work"}) < 0.18


def test_waiting_costs_no_cpu_time(otel: Telemetry) -> None:
    """Neither on the loop nor in a thread."""
    app = FastAPI()

    @app.get("/work")
    async def work() -> None:
        await asyncio.sleep(0.1)
        await anyio.to_thread.run_sync(time.sleep, 0.1)

    ask_asgi(app, scope("/work"))
    assert otel.metric(CPU).value({"http.route": "/work"}) < 0.1
    assert otel.metric(DURATION).points[0].sum >= 0.2


def test_a_task_of_a_middleware_is_in_the_trace(otel: Telemetry) -> None:
    """And the route is found there."""
    app = FastAPI()

    @app.middleware("http")
    async def pass_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    @app.get("/work")
    def work() -> None:
        trace.get_tracer("shop").start_span("inside").end()

    ask_asgi(app, scope("/work"))
    assert otel.span("inside").parent_id == otel.span("GET /work").span_id


def test_a_flask_application_inside_of_fastapi_is_one_request(otel: Telemetry) -> None:
    """The span has the mount and the rule."""
    with pytest.warns(StarletteDeprecationWarning):
        from starlette.middleware.wsgi import WSGIMiddleware  # noqa: PLC0415 - it warns
    app, inner = FastAPI(), Flask("old")
    inner.get("/orders/<int:order_id>")(lambda order_id: f"{order_id}")
    app.mount("/old", WSGIMiddleware(inner))  # type: ignore[arg-type]
    assert ask_asgi(app, scope("/old/orders/7")).body == b"7"
    assert [span.name for span in otel.spans] == ["GET /old/orders/<int:order_id>"]


def test_flask_applications_inside_of_one_another_are_one_request(otel: Telemetry) -> None:
    """The inner one knows the rule."""
    outer, inner = Flask("outer"), Flask("inner")
    inner.get("/orders/<int:order_id>")(lambda order_id: f"{order_id}")
    dispatcher = DispatcherMiddleware(outer.wsgi_app, {"/inner": inner})
    outer.wsgi_app = ProxyFix(dispatcher)  # type: ignore[method-assign]
    assert Gateway().run(outer, environ("/inner/orders/7")) == b"7"
    assert [span.name for span in otel.spans] == ["GET /orders/<int:order_id>"]


def test_a_request_that_a_program_makes_to_itself_is_another_one(otel: Telemetry) -> None:
    """It is a child of the one that made it, with a route of its own."""
    app, other = FastAPI(), FastAPI()

    @app.get("/outer")
    async def outer() -> None:
        client = Client()
        await other(scope("/inner"), client.receive, client.send)

    other.get("/inner")(lambda: "ok")
    ask_asgi(app, scope("/outer"))
    inner, made = otel.spans
    assert (inner.name, made.name) == ("GET /inner", "GET /outer")
    assert inner.parent_id == made.span_id


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "flask"])
def test_a_framework_has_exclusions_of_its_own(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    """They stand in the place of the general ones."""
    monkeypatch.setenv(f"OTEL_PYTHON_{framework.upper()}_EXCLUDED_URLS", "/internal, /probe$")
    for instrumentor in INSTRUMENTORS:
        instrumentor().uninstrument()
        instrumentor().instrument()
    paths = ("/internal/x", "/probe", "/healthz", "/")
    for path in paths:
        if framework == "flask":
            Gateway().run(Flask("shop"), environ(path))
        else:
            ask_asgi(FastAPI() if framework == "fastapi" else Starlette(), scope(path))
    assert [span.attributes["url.path"] for span in otel.spans] == ["/healthz", "/"]


def test_a_wrong_exclusion_is_said_and_the_general_ones_count(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only that variable is lost."""
    monkeypatch.setenv("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "(")
    FlaskInstrumentor().uninstrument()
    FlaskInstrumentor().instrument()
    Gateway().run(Flask("shop"), environ("/healthz"))
    assert otel.spans == []
    (message,) = caplog.messages
    assert message.startswith("OTEL_PYTHON_FLASK_EXCLUDED_URLS='(': expected regular expressions")


def state() -> list[Any]:
    """Return everything that is patched, as it stands in its class."""
    return [
        vars(owner).get(name)
        for owner, name in (
            (FastAPI, "__call__"),
            (fastapi.routing.APIRoute, "handle"),
            (Starlette, "__call__"),
            (starlette.routing.Route, "handle"),
            (starlette.routing.Mount, "handle"),
            (anyio.to_thread, "run_sync"),
            (Flask, "__call__"),
            (Flask, "full_dispatch_request"),
            (Flask, "handle_exception"),
        )
    ]


def test_uninstrumenting_puts_everything_back(otel: Telemetry) -> None:
    """Exactly, whoever of the three is last; and instrumenting again works."""
    patched = state()
    for instrumentor in INSTRUMENTORS:
        instrumentor().uninstrument()
    original = state()
    assert not [one for one, two in zip(patched, original, strict=True) if one is two]
    assert not [each for each in original if hasattr(each, "__wrapped__")]
    ask_asgi(company(), scope("/docs"))
    assert {span.scope for span in otel.spans} == {"fastapi"}
    for instrumentor in INSTRUMENTORS:
        instrumentor().instrument()
        instrumentor().instrument()
    ask_asgi(company(), scope("/docs"))
    assert otel.spans[-1].scope == "otel_setup"


def test_fastapi_that_is_given_back_is_no_starlette(otel: Telemetry) -> None:
    """Whoever measures FastAPI then would count each request twice."""
    FastAPIInstrumentor().uninstrument()
    ask_asgi(company(), scope("/docs"))
    ask_asgi(Starlette(), scope("/"))
    assert [span.scope for span in otel.spans if span.kind == "SERVER"] == ["fastapi", "otel_setup"]
    FastAPIInstrumentor().instrument()


def test_what_somebody_wrapped_since_stays_and_says_nothing(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours cannot be taken out from under it."""
    ours = Flask.__call__

    def theirs(*arguments: Any) -> Any:
        return ours(*arguments)

    monkeypatch.setattr(Flask, "__call__", theirs)
    FlaskInstrumentor().uninstrument()
    assert Flask.__call__ is theirs
    Gateway().run(Flask("shop"), environ("/"))
    assert otel.spans == []
    FlaskInstrumentor().instrument()
