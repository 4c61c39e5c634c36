# SPDX-License-Identifier: Apache-2.0
"""
HTTP requests of a WSGI application (PEP 3333).

A request ends with the last byte of its answer: a stream is produced after the application
returned. It ends early when the server closes the answer before. The trace is current while
the application or its answer runs, and only then, since the server does other work on the
same thread in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import thread_time_ns
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled

from otel_setup import _edge
from otel_setup._guard import quiet
from otel_setup.instrumentation.http.address import authority
from otel_setup.instrumentation.http.body import Answer, Input, unmeasured
from otel_setup.instrumentation.http.exchange import (
    KEY,
    METHODS,
    OTHER_METHOD,
    Exchange,
    current,
)
from otel_setup.instrumentation.http.measures import measures
from otel_setup.instrumentation.http.policy import Policy, left_out

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

#: Versions that may be a label.
_VERSIONS = {
    "HTTP/1.0": "1.0",
    "HTTP/1.1": "1.1",
    "HTTP/2": "2",
    "HTTP/2.0": "2",
    "HTTP/3": "3",
    "HTTP/3.0": "3",
}


class WsgiMiddleware:
    """Measures *app*, any WSGI application; one that is measured already is not measured twice."""

    def __init__(self, app: App, policy: Policy | None = None) -> None:
        self.app = app
        self._policy = policy or Policy.from_env()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Run the application for one request."""
        return serve(self.app, environ, start_response, self._policy)


def serve(
    app: App, environ: Environ, start_response: StartResponse, policy: Policy
) -> Iterable[bytes]:
    """Run *app* for one request, unless somebody measures it already."""
    try:
        exchange, inside = _begin(environ, policy)
    except Exception:
        with quiet("beginning a request"):
            raise
        exchange = inside = None
    if inside is None:
        return app(environ, start_response)
    if exchange is None:
        return _leave_out(app, environ, start_response, inside)
    answer = Answer(exchange, start_response)
    token, mark = context.attach(inside), current.set(exchange)
    begun = thread_time_ns()
    try:
        body = app(environ, answer.start)
    except BaseException as error:
        exchange.cpu += thread_time_ns() - begun
        answer.end(error)
        raise
    else:
        exchange.cpu += thread_time_ns() - begun
    finally:
        current.reset(mark)
        context.detach(token)
    return answer.around(body, inside, environ.get("wsgi.file_wrapper"))


def _leave_out(
    app: App, environ: Environ, start_response: StartResponse, inside: Context
) -> Iterable[bytes]:
    token, mark = context.attach(inside), current.set(None)
    try:
        body = app(environ, start_response)
    finally:
        current.reset(mark)
        context.detach(token)
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and isinstance(body, wrapper):
        return body
    return unmeasured(body, inside)


def _begin(environ: Environ, policy: Policy) -> tuple[Exchange | None, Context | None]:
    """
    Return the exchange of *environ*, and the context to run it in.

    No exchange: the request is left out. No context either: there is nothing to do.
    """
    if KEY in environ:
        return None, None
    recorder = measures()
    if recorder is None:
        return None, None
    around = context.get_current()
    if around and not is_http_instrumentation_enabled():
        return None, None
    scheme = "https" if environ.get("wsgi.url_scheme") == "https" else "http"
    path = _text(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))
    original = environ.get("REQUEST_METHOD", "")
    method, verb = METHODS.get(original) or METHODS.get(original.upper(), OTHER_METHOD)
    outer = current.get()
    if outer is not None and not outer.ended and _is_mounted_in(outer, environ, path, method):
        # The same request, seen again.
        environ[KEY] = outer
        return None, None
    if policy.excludes(scheme, environ.get("SERVER_NAME"), environ.get("SERVER_PORT"), path):
        environ[KEY] = None
        return None, left_out(around)
    attributes = _attributes(environ, scheme, path, method)
    start, links = _arrive(around, environ, untrusted=policy.untrusted)
    exchange = Exchange(recorder, attributes, start, links, verb)
    environ[KEY] = exchange
    if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
        environ["wsgi.input"] = Input(environ["wsgi.input"], exchange)
    return exchange, exchange.context


def _is_mounted_in(outer: Exchange, environ: Environ, path: str, method: str) -> bool:
    """Tell whether this is the request of the ASGI application around, handed on to a mount."""
    if outer.method != method:
        return False
    inside = _text(environ.get("PATH_INFO", ""))
    # A part that a proxy took away (root_path) stands in SCRIPT_NAME, and may stand there twice.
    mounted = bool(environ.get("SCRIPT_NAME")) and bool(inside) and outer.path.endswith(inside)
    return outer.path == path or mounted


def _attributes(environ: Environ, scheme: str, path: str, method: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": scheme,
        "url.path": path,
    }
    original = environ.get("REQUEST_METHOD", "")
    if method != original:
        attributes["http.request.method_original"] = original
    version = _VERSIONS.get(environ.get("SERVER_PROTOCOL", ""))
    if version is not None:
        attributes["network.protocol.version"] = version
    if query := environ.get("QUERY_STRING"):
        attributes["url.query"] = _text(query)
    _addresses(attributes, environ, scheme)
    if agent := environ.get("HTTP_USER_AGENT"):
        attributes["user_agent.original"] = agent
    return attributes


def _text(latin: str) -> str:
    """Return what the bytes mean that PEP 3333 puts into a string one by one."""
    if latin.isascii():
        return latin
    return latin.encode("latin-1", "replace").decode("utf-8", "replace")


def _addresses(attributes: dict[str, Any], environ: Environ, scheme: str) -> None:
    if client := environ.get("REMOTE_ADDR"):
        attributes["client.address"] = attributes["network.peer.address"] = client
        port = str(environ.get("REMOTE_PORT") or "")
        if port.isdecimal():
            attributes["network.peer.port"] = int(port)
    if host := environ.get("HTTP_HOST"):
        name, number = authority(host, scheme)
    else:
        port = str(environ.get("SERVER_PORT") or "")
        name, number = environ.get("SERVER_NAME", ""), int(port) if port.isdecimal() else None
    if name:
        attributes["server.address"] = name
        if number:
            attributes["server.port"] = number


def _arrive(around: Context, environ: Environ, *, untrusted: bool) -> _edge.Arrival:
    if _edge.is_w3c():
        parent, baggage = environ.get("HTTP_TRACEPARENT"), environ.get("HTTP_BAGGAGE")
        if parent is None and baggage is None and not around:
            return around, ()
        state = environ.get("HTTP_TRACESTATE")
        return _edge.arrive(around, parent, state, baggage, untrusted=untrusted)
    headers: dict[str, str | list[str]] = {
        key[5:].replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    }
    return _edge.arrive_otherwise(around, headers, untrusted=untrusted)
