# SPDX-License-Identifier: Apache-2.0
"""
Log records of the program, as log records of OpenTelemetry.

A handler on the root logger would miss what does not propagate, which is uvicorn's
and gunicorn's tracebacks, would be lost when the program configures ``logging`` after
us, and could see a record twice. Every record that its logger lets through goes to
``Logger.callHandlers`` exactly once: it is taken there.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from opentelemetry import _logs, trace
from opentelemetry.instrumentation.log_utils import std_to_otel
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.semconv.attributes import code_attributes, exception_attributes

from otel_setup._guard import warn_sometimes
from otel_setup.instrumentation.logs import values
from otel_setup.instrumentation.logs.records import NOTHING, ids
from otel_setup.instrumentation.logs.replaced import Function, Life, method

#: Loggers of telemetry itself: what the export says about itself is not exported.
_OURS = frozenset({"opentelemetry", "otel_setup"})
#: The clients that carry an export; what the program does with them is its own.
_CARRIERS = frozenset({"urllib3", "requests", "grpc"})
#: One line per request, which is what the request's span and metrics say already.
_ACCESS = frozenset({"uvicorn.access", "gunicorn.access", "hypercorn.access"})
#: OpenTelemetry's names where they are not Python's.
_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}

_MOST_CHARACTERS = 32_768
_MOST_SCOPES = 1000


def _attribute_limit() -> int:
    """Return how many characters the SDK keeps of an attribute."""
    for name in (
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    ):
        given = os.environ.get(name, "").strip()
        if given.isdecimal():
            return min(int(given), _MOST_CHARACTERS)
    return _MOST_CHARACTERS


class _Scopes:
    """The OpenTelemetry logger of each Python logger, of the provider that is global now."""

    def __init__(self) -> None:
        self._provider: object = None
        self._loggers: dict[str, _logs.Logger] = {}

    def of(self, name: str) -> _logs.Logger:
        provider = _logs.get_logger_provider()
        if provider is not self._provider:
            self._provider, self._loggers = provider, {}
        found = self._loggers.get(name)
        if found is None:
            # A program that invents names, such as one per request, shares one scope.
            full = len(self._loggers) >= _MOST_SCOPES
            found = provider.get_logger("otel_setup.logs" if full else name)
            if not full:
                self._loggers[name] = found
        return found


def _is_wanted(logger: logging.Logger, record: logging.LogRecord) -> bool:
    """Tell whether *record* is to be exported, and nobody else does it."""
    top = record.name.partition(".")[0]
    if top in _OURS or record.name in _ACCESS:
        return False
    if top in _CARRIERS and not is_instrumentation_enabled():
        return False
    heard = False
    at: logging.Logger | None = logger
    while at is not None:
        heard = heard or bool(at.handlers)
        if any(type(handler).__module__.startswith("opentelemetry.") for handler in at.handlers):
            return False
        if not at.propagate:
            # Without a handler such a logger is switched off: `uvicorn --no-access-log` does so.
            return heard
        at = at.parent
    return True


def _context(record: logging.LogRecord) -> Any:
    """Return the context of the ids that *record* was stamped with; None for the current one."""
    trace_id, span_id, sampled = ids(record)
    now = trace.get_current_span().get_span_context()
    if (trace_id, span_id) == NOTHING[:2]:
        return None if not now.is_valid else trace.set_span_in_context(trace.INVALID_SPAN)
    try:
        trace_number, number = int(trace_id, 16), int(span_id, 16)
    except ValueError:  # the program writes something else there
        return None
    if now.span_id == number:
        return None
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if sampled else 0)
    span = trace.SpanContext(trace_number, number, is_remote=False, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(span))


def _attributes(record: logging.LogRecord, limit: int) -> dict[str, Any]:
    found = {key: value for key, value in values.extras(record).items() if value is not None}
    found[code_attributes.CODE_FILE_PATH] = record.pathname
    found[code_attributes.CODE_LINE_NUMBER] = record.lineno
    if record.funcName:
        found[code_attributes.CODE_FUNCTION_NAME] = record.funcName
    raised = values.exception(record)
    if raised:
        kind, message, stack = raised
        found[exception_attributes.EXCEPTION_TYPE] = kind
        found[exception_attributes.EXCEPTION_MESSAGE] = values.shortened(message, limit)
        found[exception_attributes.EXCEPTION_STACKTRACE] = values.shortened(stack, limit)
    return found


class Export:
    """Sends records to the global logger provider while somebody has it on."""

    def __init__(self) -> None:
        self._call_handlers = method(logging.Logger, "callHandlers")
        self._scopes = _Scopes()
        self._limit = _MOST_CHARACTERS
        self._busy = threading.local()

    def on(self) -> None:
        """Begin; each call needs an `off` of its own."""
        if self._call_handlers.on(self._wrap):
            self._limit = _attribute_limit()

    def off(self) -> None:
        """End; what another package has put on top of ours stays."""
        self._call_handlers.off()

    def _wrap(self, original: Function, life: Life) -> Function:
        def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            try:
                # First the program's handlers: their filters may mask what nobody may see.
                original(logger, record)
            finally:
                if life.goes_on:
                    self._take(logger, record)

        return call_handlers

    def _take(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        # What is logged while a record is on its way, such as by an object's __str__, stays here.
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            if _is_wanted(logger, record):
                self._emit(record)
        except Exception as error:  # noqa: BLE001 - a record that is not exported hurts nobody
            warn_sometimes("logs", f"a log record is not exported ({type(error).__name__}).")
        finally:
            self._busy.now = False

    def _emit(self, record: logging.LogRecord) -> None:
        severity = std_to_otel(record.levelno)
        scope = self._scopes.of(record.name)
        if not scope.enabled(severity_number=severity):
            return
        scope.emit(
            timestamp=int(record.created * 1e9),
            context=_context(record),
            severity_number=severity,
            severity_text=_LEVELS.get(record.levelname, record.levelname),
            body=values.shortened(values.message(record), _MOST_CHARACTERS),
            attributes=_attributes(record, self._limit),
        )
