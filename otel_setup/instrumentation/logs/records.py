# SPDX-License-Identifier: Apache-2.0
"""
Trace and span ids in every record of ``logging``, under the names that upstream uses.

A line without ids cannot be found from a trace. The names (``otelTraceID``, ``otelSpanID``,
``otelTraceSampled``, ``otelServiceName``) are upstream's, so that formats written for its
package go on working.

A server logs the traceback of a request after the request's span has ended. The span that
an exception left is therefore noted on the exception: the record finds it there.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from opentelemetry import trace

from otel_setup.instrumentation.logs.replaced import Function, Life, Replaced

#: What a record says outside of a span.
NOTHING = ("0", "0", False)

_NOTE = "_otel_setup_left"


def note(error: BaseException, span: trace.SpanContext) -> None:
    """Write on *error* which span it left; the last one wins, which is the outermost."""
    # An exception may refuse attributes; and it may be pickled for another process, with them.
    with contextlib.suppress(Exception):
        setattr(error, _NOTE, (*_texts(span), span.trace_flags.sampled))


def _texts(span: trace.SpanContext) -> tuple[str, str]:
    return format(span.trace_id, "032x"), format(span.span_id, "016x")


def _noted(record: logging.LogRecord) -> tuple[str, str, bool]:
    error = record.exc_info[1] if record.exc_info else None
    found = getattr(error, _NOTE, NOTHING)
    return found if isinstance(found, tuple) else NOTHING


def ids(record: logging.LogRecord) -> tuple[str, str, bool]:
    """Return trace id, span id and whether the trace is sampled, as the record was stamped."""
    found = _stamped(record)
    if found is None:
        # A factory that the program set later, or names of ours as its own.
        stamp(record)
        found = _stamped(record)
    return found or NOTHING


def _stamped(record: logging.LogRecord) -> tuple[str, str, bool] | None:
    trace_id = record.__dict__.get("otelTraceID")
    span_id = record.__dict__.get("otelSpanID")
    if isinstance(trace_id, str) and isinstance(span_id, str):
        return trace_id, span_id, record.__dict__.get("otelTraceSampled") is True
    return None


class _Service:
    """The name of this service, asked for once there are providers that know it."""

    name: str | None = None


def stamp(record: logging.LogRecord) -> None:
    """Write the ids of the current span into *record*, or of the one its exception left."""
    values = record.__dict__
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        values["otelTraceID"], values["otelSpanID"] = _texts(span)
        values["otelTraceSampled"] = span.trace_flags.sampled
    else:
        found = NOTHING if record.exc_info is None else _noted(record)
        values["otelTraceID"], values["otelSpanID"], values["otelTraceSampled"] = found
    if _Service.name is None:
        resource = getattr(trace.get_tracer_provider(), "resource", None)
        if resource is None:
            values["otelServiceName"] = ""
            return
        _Service.name = str(resource.attributes.get("service.name", ""))
    values["otelServiceName"] = _Service.name


class Stamps:
    """Stamps all records while somebody has it on; chains the record factory of the program."""

    def __init__(self) -> None:
        self._factory = Replaced(logging.getLogRecordFactory, logging.setLogRecordFactory)

    def on(self) -> None:
        """Begin; each call needs an `off` of its own."""
        if self._factory.on(_stamping):
            _Service.name = None

    def off(self) -> None:
        """End; a factory that the program has put on top of ours stays."""
        self._factory.off()
        _Service.name = None


def _stamping(previous: Function, life: Life) -> Function:
    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = previous(*args, **kwargs)
        if life.goes_on:
            # A line without ids is better than none, and a context manager costs too much here.
            try:  # noqa: SIM105
                stamp(record)
            except Exception:  # noqa: BLE001, S110
                pass
        return record

    return factory
