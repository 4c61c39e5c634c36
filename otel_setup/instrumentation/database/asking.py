# SPDX-License-Identifier: Apache-2.0
"""
One statement, from the moment it is asked to the moment that its answer is there.

Names are those of the stable semantic conventions for databases. This runs for every
statement: what is the same for all of a kind is made once, and the clock is read twice.
"""

from __future__ import annotations

from time import perf_counter

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import SpanKind, StatusCode

from otel_setup._guard import quiet
from otel_setup.instrumentation import queries
from otel_setup.instrumentation.database.measures import (
    DURATION,
    RETURNED_ROWS,
    TRACER,
    Database,
)
from otel_setup.instrumentation.database.statements import Statement

_NOWHERE = Context()


class Asking:
    """A statement whose answer is waited for; ends once, by `end` or `fail`."""

    __slots__ = ("_begun", "_database", "_ended", "_paused", "_span", "_spent", "statement")

    def __init__(self, to: Database, statement: Statement, batch: int = 0) -> None:
        self._database = to
        self.statement = statement
        attributes = {**to.attributes, **statement.attributes}
        if batch > 1:
            attributes["db.operation.batch.size"] = batch
        self._span = TRACER.start_span(
            statement.summary or to.name, kind=SpanKind.CLIENT, attributes=attributes
        )
        self._ended = False
        self._paused = False
        self._spent = 0.0
        self._begun = perf_counter()

    def pause(self) -> None:
        """Count no time from now on: the program works on what it has got."""
        self._spent += perf_counter() - self._begun
        self._paused = True

    def resume(self) -> None:
        """Count time again."""
        self._paused = False
        self._begun = perf_counter()

    def end(self, rows: int | None = None) -> None:
        """End it with an answer of *rows* rows; -1 and None for an unknown number."""
        self._finish(rows, None)

    def fail(self, error: BaseException) -> None:
        """End it with the exception that the program gets."""
        self._finish(None, error)

    def _finish(self, rows: int | None, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        lasted = self._spent if self._paused else self._spent + perf_counter() - self._begun
        try:
            self._record(lasted, rows, error)
        except Exception:
            with quiet("recording a query"):
                raise
        finally:
            self._span.end()

    def _record(self, lasted: float, rows: int | None, error: BaseException | None) -> None:
        statement, span = self.statement, self._span
        labels = self._database.labels(statement, _name(error) if error is not None else "")
        # An exemplar leads to the query itself, whoever is around it.
        context = trace.set_span_in_context(span, _NOWHERE)
        DURATION.record(lasted, labels, context)
        if error is not None:
            _fail(span, error)
        elif rows is not None and rows >= 0:
            RETURNED_ROWS.record(rows, labels, _NOWHERE)
            if span.is_recording():
                span.set_attribute("db.response.returned_rows", rows)
        queries.asked(statement.summary, lasted)


def begin(to: Database, statement: Statement, batch: int = 0) -> Asking | None:
    """Begin to measure *statement*; None where nothing is to be measured."""
    if not statement.text or not is_instrumentation_enabled():
        return None
    return Asking(to, statement, batch)


def _name(error: BaseException) -> str:
    return type(error).__qualname__


def _fail(span: trace.Span, error: BaseException) -> None:
    if not span.is_recording():
        return
    span.set_attribute("error.type", _name(error))
    # SQLSTATE; what names a class of exceptions names no more as a label.
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if isinstance(code, str):
        span.set_attribute("db.response.status_code", code)
    if not isinstance(error, Exception):  # a cancelled task and the end of a process are no event
        span.set_status(StatusCode.ERROR)
        return
    span.record_exception(error)
    span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
