# SPDX-License-Identifier: Apache-2.0
"""
One request and its answer as telemetry sees them, whatever the framework.

Names are those of the stable semantic conventions for HTTP servers. This runs in every
request: values are slots, label sets are shared, the clock is read twice.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from otel_setup import users
from otel_setup._guard import quiet
from otel_setup.instrumentation import queries
from otel_setup.instrumentation.http import counts
from otel_setup.instrumentation.logs.records import note

if TYPE_CHECKING:
    from contextvars import ContextVar

    from opentelemetry.context import Context
    from opentelemetry.trace import Link

    from otel_setup.instrumentation.http.measures import Measures
    from otel_setup.instrumentation.queries import Queries

#: Under this name an ASGI scope and a WSGI environ carry their exchange, so that nested apps
#: find it. None stands for a request that is not measured.
KEY = "otel_setup.exchange"

_SERVER_ERROR = 500
#: Answers that do not say a route was found although a mount was.
_NO_ROUTE = frozenset({404, 405})

#: Methods that may be a label, and what a name of a method other than these becomes.
METHODS = {
    method: (method, method)
    for method in (
        *("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"),
    )
}
OTHER_METHOD = ("_OTHER", "HTTP")

#: The exchange whose code runs. Layers below HTTP find it as a request that they add to.
current: ContextVar[Exchange | None] = queries.current  # type: ignore[assignment]


class Exchange:
    """One request that is worked on; begins when it is made, ends once, by `finish`."""

    __slots__ = (
        "_answered",
        "_caller",
        "_measures",
        "_started",
        "_verb",
        "context",
        "cpu",
        "disconnected",
        "ended",
        "error",
        "method",
        "path",
        "prefix",
        "queries",
        "request_bytes",
        "response_bytes",
        "route",
        "running",
        "scheme",
        "span",
        "status",
        "version",
    )

    def __init__(
        self,
        measures: Measures,
        attributes: dict[str, str | int],
        parent: Context,
        links: tuple[Link, ...],
        verb: str,
    ) -> None:
        self.method: str = attributes["http.request.method"]  # type: ignore[assignment]
        self.scheme: str = attributes["url.scheme"]  # type: ignore[assignment]
        self.path: str = attributes["url.path"]  # type: ignore[assignment]
        self.version: str | None = attributes.get("network.protocol.version")  # type: ignore[assignment]
        #: Template of the path, and what the mounts above it add in front.
        self.route: str | None = None
        self.prefix = ""
        self.status: int | None = None
        self.request_bytes = 0
        self.response_bytes = 0
        #: What the framework turned into an answer of 500 by itself.
        self.error: BaseException | None = None
        self.disconnected = False
        self.ended = False
        #: What it asks of databases; None while that is nothing.
        self.queries: Queries | None = None
        #: CPU time in nanoseconds; *running* while code of the request is being timed.
        self.cpu = 0
        self.running = False
        self._answered = 0
        self._measures = measures
        self._verb = verb
        self._started = time.perf_counter_ns()
        self.span = measures.tracer.start_span(verb, parent, SpanKind.SERVER, attributes, links)
        self.context = trace.set_span_in_context(self.span, parent)
        self._caller = users.begin()
        counts.enter(self)

    def complete(self) -> None:
        """
        Note that the last byte of the answer was sent.

        An answer of 500 and more may be followed by the exception that it is about: it ends
        with `finish`.
        """
        if self.status is not None and self.status < _SERVER_ERROR:
            self.finish()
        elif not self._answered:
            self._answered = time.perf_counter_ns()

    @property
    def answered(self) -> bool:
        """Whether all of the answer was sent."""
        return self.ended or self._answered != 0

    def finish(self, error: BaseException | None = None, reason: str | None = None) -> None:
        """End the exchange, with the exception or the *reason* that broke it; once."""
        if error is not None:
            # The server logs it after this, also when the answer was whole before it was raised.
            note(error, self.span.get_span_context())
        if self.ended:
            return
        self.ended = True
        counts.leave(self)
        try:
            self._record(error, reason)
            users.count(self._caller)
        except Exception:
            with quiet("recording a request"):
                raise

    def settle(self) -> None:
        """Hand over the CPU time, when no more of it is to come."""
        spent, self.cpu = self.cpu, 0
        if spent:
            counts.spend(self._template(), self.method, spent)

    def _template(self) -> str | None:
        """Return the route; of a mounted app that has no routes, the path of the mount."""
        if self.route is None and self.prefix and self.status not in _NO_ROUTE:
            return self.prefix
        return self.route

    def _record(self, error: BaseException | None, reason: str | None) -> None:
        lasted = (self._answered or time.perf_counter_ns()) - self._started
        status, route, span = self.status, self._template(), self.span
        if error is None and status is not None and status >= _SERVER_ERROR:
            error, reason = self.error, str(status)
        if error is not None:
            # A task group, of a middleware or a stream, wraps what broke it.
            while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            reason = _name(type(error))
        labels = self._measures.labels(self, route, reason)
        if span.is_recording():
            late: dict[str, str | int] = {}
            if status is not None:
                late["http.response.status_code"] = status
            if route:
                late["http.route"] = route
                span.update_name(f"{self._verb} {route}")
            if reason is not None:
                late["error.type"] = reason
                _fail(span, error)
            span.set_attributes(late)
        self._measures.duration.record(lasted / 1e9, labels, self.context)
        if self.request_bytes:
            self._measures.request_size.record(self.request_bytes, labels, self.context)
        if status is not None:
            self._measures.response_size.record(self.response_bytes, labels, self.context)
        self._measures.queries(self, route)
        # Where the SDK's span is not the one that we know, it ends a little late.
        begun = getattr(span, "start_time", None) if self._answered else None
        span.end(None if begun is None else begun + lasted)


def _fail(span: trace.Span, error: BaseException | None) -> None:
    if not isinstance(error, Exception):  # a cancelled task and the end of a process are no event
        span.set_status(StatusCode.ERROR)
        return
    try:
        text = str(error)
        span.record_exception(error)
    except Exception:  # noqa: BLE001 - an exception that cannot say what it is
        text = "?"
    span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {text}")


def _name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
