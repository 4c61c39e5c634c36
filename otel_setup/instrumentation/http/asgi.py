# SPDX-License-Identifier: Apache-2.0
"""
HTTP requests of an ASGI application.

A request ends with the last byte of its answer, with the exception that breaks it, or when
the application stops before the answer is whole. WebSockets and lifespan pass untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled

from otel_setup import _edge
from otel_setup._guard import quiet
from otel_setup.instrumentation.http.address import authority
from otel_setup.instrumentation.http.cpu import timed
from otel_setup.instrumentation.http.exchange import (
    KEY,
    METHODS,
    OTHER_METHOD,
    Exchange,
    current,
)
from otel_setup.instrumentation.http.measures import measures
from otel_setup.instrumentation.http.policy import Policy, left_out

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, Any]]

#: Versions that may be a label.
_VERSIONS = {"1.0": "1.0", "1.1": "1.1", "2": "2", "2.0": "2", "3": "3", "3.0": "3"}
_LARGEST_PORT = 65535


class AsgiMiddleware:
    """Measures *app*, any ASGI application; one that is measured already is not measured twice."""

    def __init__(self, app: App, policy: Policy | None = None) -> None:
        self.app = app
        self._policy = policy or Policy.from_env()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for one request."""
        if scope["type"] == "http" and KEY not in scope:
            await serve(self.app, scope, receive, send, self._policy)
        else:
            await self.app(scope, receive, send)


async def serve(app: App, scope: Scope, receive: Receive, send: Send, policy: Policy) -> None:
    """Run *app* for one HTTP request that nobody measures yet."""
    try:
        exchange, inside = _begin(scope, policy)
    except Exception:
        with quiet("beginning a request"):
            raise
        exchange = inside = None
    if inside is None:
        await app(scope, receive, send)
        return
    token, mark = context.attach(inside), current.set(exchange)
    try:
        if exchange is None:
            await app(scope, receive, send)
            return
        connection = _Connection(exchange, receive, send)
        await timed(app(scope, connection.receive, connection.send), exchange)
        if exchange.answered:
            exchange.finish()
        else:
            reason = "client_disconnected" if exchange.disconnected else "incomplete_response"
            exchange.finish(None, reason)
    except BaseException as error:
        if exchange is not None:
            exchange.finish(error)
        raise
    finally:
        try:
            current.reset(mark)
        except ValueError:  # a loop that is closed ends what still runs in another context
            pass
        else:
            context.detach(token)
        if exchange is not None:
            exchange.settle()


def _begin(scope: Scope, policy: Policy) -> tuple[Exchange | None, Context | None]:
    """
    Return the exchange of *scope*, and the context to run it in.

    No exchange: the request is left out. No context either: there is nothing to do.
    """
    recorder = measures()
    if recorder is None:
        return None, None
    around = context.get_current()
    if around and not is_http_instrumentation_enabled():
        return None, None
    scheme = "https" if scope.get("scheme") == "https" else "http"
    path: str = scope["path"]
    host, port = scope.get("server") or (None, None)
    # Starlette's own middleware steps back for whoever was there before.
    scope["starlette.opentelemetry"] = True
    if policy.excludes(scheme, host, port, path):
        scope[KEY] = None
        return None, left_out(around)
    attributes: dict[str, Any] = {
        "http.request.method": "",
        "url.scheme": scheme,
        "url.path": path,
    }
    original = scope["method"]
    method, verb = METHODS.get(original) or METHODS.get(original.upper(), OTHER_METHOD)
    attributes["http.request.method"] = method
    if method is not original and method != original:
        attributes["http.request.method_original"] = original
    version = _VERSIONS.get(scope.get("http_version", ""))
    if version is not None:
        attributes["network.protocol.version"] = version
    if query := scope.get("query_string"):
        attributes["url.query"] = query.decode("utf-8", "replace")
    found = _headers(scope)
    _addresses(attributes, scope, found.get(b"host"), scheme)
    if agent := found.get(b"user-agent"):
        attributes["user_agent.original"] = agent.decode("latin-1")
    start, links = _arrive(around, scope, found, untrusted=policy.untrusted)
    exchange = Exchange(recorder, attributes, start, links, verb)
    scope[KEY] = exchange
    return exchange, exchange.context


_WANTED = frozenset({b"host", b"user-agent", b"traceparent", b"tracestate", b"baggage"})


def _headers(scope: Scope) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _WANTED:
            found[name] = found[name] + b"," + value if name in found else value
    return found


def _addresses(attributes: dict[str, Any], scope: Scope, host: bytes | None, scheme: str) -> None:
    if client := scope.get("client"):
        address, port = client
        attributes["client.address"] = attributes["network.peer.address"] = address
        if port:
            attributes["network.peer.port"] = port
    if host:
        name, number = authority(host.decode("latin-1"), scheme)
        if name:
            attributes["server.address"] = name
            if number is not None:
                attributes["server.port"] = number
    elif server := scope.get("server"):
        attributes["server.address"] = server[0]
        if server[1]:
            attributes["server.port"] = server[1]


def _arrive(
    around: Context, scope: Scope, found: dict[bytes, bytes], *, untrusted: bool
) -> _edge.Arrival:
    if _edge.is_w3c():
        parent, state, baggage = map(found.get, (b"traceparent", b"tracestate", b"baggage"))
        if parent is None and baggage is None and not around:
            return around, ()
        return _edge.arrive(
            around,
            None if parent is None else parent.decode("latin-1"),
            None if state is None else state.decode("latin-1"),
            None if baggage is None else baggage.decode("latin-1"),
            untrusted=untrusted,
        )
    headers: dict[str, str | list[str]] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        several = headers.setdefault(key, [])
        several.append(value.decode("latin-1"))  # type: ignore[union-attr]
    return _edge.arrive_otherwise(around, headers, untrusted=untrusted)


class _Connection:
    """The two ends that the application talks to its server through."""

    __slots__ = ("_exchange", "_headers", "_receive", "_send", "_trailers")

    def __init__(self, exchange: Exchange, receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._headers: Any = ()
        self._trailers = False

    async def receive(self) -> Message:
        """Receive, and count the bytes of the request."""
        message = await self._receive()
        try:
            kind = message["type"]
            if kind == "http.request":
                self._exchange.request_bytes += len(message.get("body") or b"")
            elif kind == "http.disconnect":
                self._exchange.disconnected = True
        except Exception:
            with quiet("counting a request"):
                raise
        return message

    async def send(self, message: Message) -> None:
        """Send, and count the bytes of the answer."""
        await self._send(message)
        exchange = self._exchange
        if exchange.ended:
            return
        try:
            kind = message["type"]
            if kind == "http.response.body":
                if exchange.method != "HEAD":
                    exchange.response_bytes += len(message.get("body") or b"")
                if not (message.get("more_body") or self._trailers):
                    exchange.complete()
            elif kind == "http.response.start":
                exchange.status = message["status"]
                self._headers = message.get("headers", ())
                self._trailers = bool(message.get("trailers"))
            else:
                self._note(kind, message)
        except Exception:
            with quiet("counting an answer"):
                raise

    def _note(self, kind: str, message: Message) -> None:
        """Take note of a message that few servers know."""
        exchange = self._exchange
        if kind == "http.response.trailers":
            more = message.get("more_trailers")
        elif kind == "http.response.pathsend":
            # The server sends the file by itself: its size is what was announced.
            exchange.response_bytes += _announced(self._headers)
            more = False
        elif kind == "http.response.zerocopysend":
            exchange.response_bytes += message.get("count") or 0
            more = message.get("more_body")
        else:
            return
        if not more:
            exchange.complete()


def _announced(headers: Any) -> int:
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return 0
