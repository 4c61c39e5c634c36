# SPDX-License-Identifier: Apache-2.0
"""One message on its way to the broker: its span, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from timeit import default_timer
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from otel_setup.instrumentation.messaging import clock, headers, measures
from otel_setup.instrumentation.messaging.naming import Destination

_TRACER = trace.get_tracer("otel_setup.messaging")


class Publication:
    """
    A message that is being published; the span and the measures of it end together, once.

    Without publisher confirms it ends when it is written, with them when the broker answers.
    """

    __slots__ = ("_context", "_destination", "_host", "_span", "_start", "headers", "stamp")

    def __init__(
        self,
        destination: Destination,
        *,
        host: str,
        attributes: Mapping[str, Any],
        earlier: Mapping[str, Any] | None,
    ) -> None:
        self._destination = destination.template
        self._host = host
        self._start = default_timer()
        self._span: trace.Span | None = _TRACER.start_span(
            f"publish {destination.template}",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "rabbitmq",
                "messaging.operation.name": "publish",
                "messaging.operation.type": "send",
                "messaging.destination.name": destination.name,
                "server.address": host,
                **attributes,
            },
        )
        self._context = trace.set_span_in_context(self._span)
        #: What to send instead of the headers that were given, which stay as they are.
        self.headers: dict[str, Any] = dict(earlier or {})
        headers.inject(self.headers, self._context)
        #: When it was published; of each message another.
        self.stamp = clock.stamp(self.headers)

    def written(self) -> None:
        """Note that it is on its way; nobody will say more."""
        self._end("")

    def failed(self, error: BaseException) -> None:
        """Note that it could not be written."""
        if self._span is not None:
            self._span.record_exception(error)
        self._end(type(error).__qualname__)

    def answered(self, confirmation: str) -> None:
        """Note the answer: ack, nack, returned; lost if it never comes, timeout if nobody waits."""
        if self._span is None:
            return
        measures.CONFIRM_DURATION.record(
            default_timer() - self._start,
            {
                "messaging.destination.name": self._destination,
                measures.CONFIRMATION: confirmation,
            },
            self._context,
        )
        self._span.set_attribute(measures.CONFIRMATION, confirmation)
        self._end("" if confirmation == "ack" else confirmation)

    @property
    def age(self) -> float:
        """Seconds since it was published."""
        return default_timer() - self._start

    def _end(self, error_type: str) -> None:
        span, self._span = self._span, None
        if span is None:
            return
        labels = measures.labels("publish", self._destination, self._host)
        if error_type:
            labels["error.type"] = error_type
            span.set_attribute("error.type", error_type)
            span.set_status(StatusCode.ERROR, error_type)
        measures.SENT.add(1, measures.SYSTEM, "publish", self._destination, self._host, error_type)
        measures.OPERATION_DURATION.record(
            default_timer() - self._start,
            {**labels, "messaging.operation.type": "send"},
            self._context,
        )
        span.end()


def returned(destination: Destination, stamped: object) -> None:
    """Measure a message that came back although nobody waited for a confirm of it."""
    seconds = clock.since(stamped)
    if seconds is not None:
        measures.CONFIRM_DURATION.record(
            seconds,
            {
                "messaging.destination.name": destination.template,
                measures.CONFIRMATION: "returned",
            },
            otel_context.Context(),
        )
