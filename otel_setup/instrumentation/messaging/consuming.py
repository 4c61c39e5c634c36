# SPDX-License-Identifier: Apache-2.0
"""One message that a client got: how it waited, who worked on it, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import Token
from timeit import default_timer
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode

from otel_setup._urgent import hurry
from otel_setup.instrumentation.messaging import clock, deaths, headers, measures
from otel_setup.instrumentation.messaging.naming import Destination

#: join: a message goes on in its publisher's trace. link: it begins one of its own.
VARIABLE = "OTEL_SETUP_MESSAGING_TRACES"

_TRACER = trace.get_tracer("otel_setup.messaging")


def joins() -> bool:
    """Tell whether a message goes on in its publisher's trace; there is a link in any case."""
    return os.environ.get(VARIABLE, "").strip() != "link"


class Delivery:
    """
    One delivery of a message to this client.

    It is made when the message arrives, which may be long before its handler begins. `begin`
    and `end` stand around the handler; `settled` may come before, between or after them.
    """

    __slots__ = (
        "_attributes",
        "_context",
        "_death",
        "_destination",
        "_headers",
        "_host",
        "_queue",
        "_redelivered",
        "_settlement",
        "_span",
        "_start",
        "_token",
        "arrived",
    )

    def __init__(  # noqa: PLR0913 - all of it is in the message
        self,
        destination: Destination,
        *,
        operation: str,
        queue: str,
        host: str,
        redelivered: bool,
        attributes: Mapping[str, Any],
        headers: Mapping[str, Any] | None,
    ) -> None:
        #: When it came, by `timeit.default_timer`.
        self.arrived = default_timer()
        self._destination = destination
        self._queue = queue
        self._host = host
        self._redelivered = redelivered
        self._attributes = attributes
        self._headers = headers
        self._death = deaths.last(headers)
        self._context: Context | None = None
        self._span: trace.Span | None = None
        self._token: Token[Context] | None = None
        self._settlement = ""
        measures.CONSUMED.add(1, measures.SYSTEM, operation, destination.template, host, queue)
        if redelivered:
            measures.REDELIVERED.add(1, queue)

    @property
    def queue(self) -> str:
        """The queue, as labels call it."""
        return self._queue

    def begin(self) -> None:
        """Begin to process it: what is done until `end` belongs to its span."""
        origin = self._origin()
        self._start = default_timer()
        self._span = _TRACER.start_span(
            f"process {self._destination.template}",
            origin.context if joins() else Context(),
            SpanKind.CONSUMER,
            self._all_attributes("process", "process"),
            [Link(origin.span)] if origin.span.is_valid else (),
        )
        self._context = trace.set_span_in_context(
            self._span, origin.context if origin.span.is_valid else None
        )
        self._waited()
        self._token = otel_context.attach(self._context)

    def leave(self) -> None:
        """Leave its context, also before its end is measured: what follows is no part of it."""
        token, self._token = self._token, None
        if token is not None:
            _detach(token)

    def end(self, error: BaseException | None) -> None:
        """End processing it; *error* is what its handler raised."""
        span, self._span = self._span, None
        if span is None:
            return
        self.leave()
        labels = {
            **measures.labels("process", self._destination.template, self._host),
            measures.QUEUE: self._queue,
        }
        failure = self._failure(span, error)
        if failure:
            labels["error.type"] = failure
            span.set_attribute("error.type", failure)
            if not _has_failed(span):  # what the handler says of it is worth more
                span.set_status(StatusCode.ERROR, failure)
        if error is not None:
            span.record_exception(error)
        measures.PROCESS_DURATION.record(default_timer() - self._start, labels, self._context)
        span.end()
        # Who ends the program, or a task of it, cuts a handler off: that is no news.
        if failure and (error is None or isinstance(error, Exception)):
            hurry()  # somebody is to be told within seconds

    def _failure(self, span: trace.Span, error: BaseException | None) -> str:
        """Return why processing failed; empty if it did not."""
        if error is not None:
            return type(error).__qualname__
        if self._settlement in {"reject", "requeue"} or _has_failed(span):
            # A handler that deals with its exceptions itself notes them in the span.
            return _noted(span) or (
                "_OTHER" if self._settlement in {"", "ack"} else self._settlement
            )
        return ""

    def received(self, seconds: float) -> None:
        """Note that somebody asked for it and got it, *seconds* after asking; begins nothing."""
        origin = self._origin()
        inside = trace.get_current_span().get_span_context().is_valid
        # Who asks inside of a trace wants to see it there; who has none goes on in the message's.
        parent = None if inside else origin.context if joins() else Context()
        labels = measures.labels("get", self._destination.template, self._host)
        span = _TRACER.start_span(
            f"get {self._destination.template}",
            parent,
            SpanKind.CLIENT,
            self._all_attributes("get", "receive"),
            [Link(origin.span)] if origin.span.is_valid else (),
        )
        self._context = trace.set_span_in_context(span)
        measures.OPERATION_DURATION.record(
            seconds, {**labels, "messaging.operation.type": "receive"}, self._context
        )
        self._waited()
        span.end()

    def settled(self, settlement: str, operation: str) -> None:
        """
        Note that it was settled as *settlement* (ack, reject, requeue) by *operation*.

        While it is processed that is an attribute of its span; afterwards, in a batch or from
        another thread, it is a span below it.
        """
        self._settlement = settlement
        measures.SETTLED.add(1, self._queue, settlement)
        if self._span is not None:
            self._span.set_attribute(measures.SETTLEMENT, settlement)
        elif self._context is not None:
            attributes = self._all_attributes(operation, "settle")
            attributes[measures.SETTLEMENT] = settlement
            _TRACER.start_span(
                f"{operation} {self._destination.template}",
                self._context,
                SpanKind.CLIENT,
                attributes,
            ).end()

    def asked(self, operation: str, seconds: float) -> None:
        """Measure the call that settled it, and others with it."""
        measures.OPERATION_DURATION.record(
            seconds,
            {
                **measures.labels(operation, self._destination.template, self._host),
                "messaging.operation.type": "settle",
            },
            self._context,
        )

    def _origin(self) -> headers.Origin:
        origin = headers.extract(self._headers)
        if origin.invalid:
            measures.INVALID_CONTEXTS.add(1, {measures.QUEUE: self._queue})
        return origin

    def _all_attributes(self, operation: str, kind: str) -> dict[str, Any]:
        found = {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.destination.name": self._destination.name,
            "server.address": self._host,
            measures.QUEUE: self._queue,
            **self._attributes,
        }
        if self._redelivered:
            found["messaging.rabbitmq.redelivered"] = True
        death = self._death
        if death:
            found["messaging.rabbitmq.death.queue"] = death.queue
            found["messaging.rabbitmq.death.reason"] = death.reason
            found["messaging.rabbitmq.death.count"] = death.times
        return found

    def _waited(self) -> None:
        waited = clock.waited(self._headers, self._death)
        if waited is None:
            return
        measures.QUEUE_DURATION.record(
            waited.seconds,
            {
                measures.QUEUE: self._queue,
                "messaging.rabbitmq.redelivered": "true" if self._redelivered else "false",
                "messaging.rabbitmq.clock": waited.clock,
            },
            self._context,
        )
        if waited.skew:
            measures.CLOCK_SKEWS.add(
                1, {measures.QUEUE: self._queue, measures.SKEW: waited.skew}, self._context
            )


def _has_failed(span: trace.Span) -> bool:
    """Tell whether the program itself marked *span* as failed; only the SDK's spans can say it."""
    status = getattr(span, "status", None)
    return status is not None and status.status_code is StatusCode.ERROR


def _noted(span: trace.Span) -> str:
    """Return the class of the last exception that was recorded in *span*."""
    for event in reversed(getattr(span, "events", ())):
        if event.name == "exception":
            name = str((event.attributes or {}).get("exception.type", ""))
            return name.rsplit(".", 1)[-1]
    return ""


def _detach(token: Token[Context]) -> None:
    """
    Leave the context of *token*.

    A generator may be closed by another thread than began it, or by nobody: then there is
    nothing to leave. OpenTelemetry's own function would log that as an error.
    """
    try:
        token.var.reset(token)
    except (AttributeError, RuntimeError, ValueError):
        return
