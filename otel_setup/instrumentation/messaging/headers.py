# SPDX-License-Identifier: Apache-2.0
"""
The trace in the headers of a message: put in, and taken out of whatever somebody put there.

A header is data from outside. One that is no text, or no trace, must never keep a message from
its handler: it is left out, and said to be invalid.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context

#: More than any propagator writes; what is longer would only cost memory.
_LONGEST = 8192


class Origin(NamedTuple):
    """Where a message came from."""

    #: The current context with the publisher's trace and baggage in it.
    context: Context
    #: The publisher's span; not valid when there is none.
    span: trace.SpanContext
    #: Whether there were headers of a trace that could not be read.
    invalid: bool


def inject(headers: MutableMapping[str, Any], context: Context) -> None:
    """Write the trace of *context* into *headers*, instead of any that is there."""
    for field in propagate.get_global_textmap().fields:
        headers.pop(field, None)
    propagate.inject(headers, context)


def extract(headers: Mapping[str, Any] | None) -> Origin:
    """Return where the message with *headers* came from."""
    current = otel_context.get_current()
    if not headers:
        return Origin(current, trace.INVALID_SPAN_CONTEXT, invalid=False)
    carrier: dict[str, str] = {}
    invalid = False
    for field in propagate.get_global_textmap().fields:
        value = headers.get(field)
        if isinstance(value, bytes):  # a long string that is no UTF-8 arrives as bytes
            value = value.decode("latin-1")
        if isinstance(value, str) and len(value) <= _LONGEST:
            carrier[field] = value
        elif field in headers:
            invalid = True
    # Into an empty one: what is there afterwards came with the message.
    found = propagate.extract(carrier, Context())
    span = trace.get_current_span(found).get_span_context()
    if not span.is_valid:
        return Origin(current, trace.INVALID_SPAN_CONTEXT, invalid or "traceparent" in headers)
    merged = Context({**current, **found})
    return Origin(merged, span, invalid)
