# SPDX-License-Identifier: Apache-2.0
"""The trace goes on behind a gap."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.instrumentation import dbapi

from otel_setup import capture_context, carry_context, resume_context, untraced
from otel_setup.testing import Telemetry

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def trace_ids() -> tuple[str, str]:
    """Return trace id and span id of the current span."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


NONE = ("0" * 32, "0" * 16)


def test_outside_of_a_trace_there_is_nothing_to_capture() -> None:
    """A row that is stored then has no trace."""
    assert capture_context() == {}


def test_a_captured_trace_is_a_w3c_header(otel: Telemetry) -> None:
    """Any program in any language can resume it."""
    with trace.get_tracer("test").start_as_current_span("work"):
        captured = capture_context()
    span = otel.span("work")
    assert captured == {"traceparent": f"00-{span.trace_id}-{span.span_id}-01"}


def test_a_resumed_trace_is_current_inside_the_block_only() -> None:
    """The block sees the stored span, the code behind it does not."""
    with resume_context({"traceparent": HEADER}):
        inside = trace_ids()
    assert inside == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert trace_ids() == NONE


def test_what_was_captured_can_be_resumed(otel: Telemetry) -> None:  # noqa: ARG001
    """The way there and back keeps both ids."""
    with trace.get_tracer("test").start_as_current_span("work"):
        expected, captured = trace_ids(), capture_context()
    with resume_context(captured):
        assert trace_ids() == expected


def test_a_block_that_raises_leaves_no_trace_behind() -> None:
    """The error of the block comes out, and the context is as before."""
    with pytest.raises(KeyError, match="order"), resume_context({"traceparent": HEADER}):
        raise KeyError("order")
    assert trace_ids() == NONE


@pytest.mark.parametrize(
    "stored",
    [None, {}, {"traceparent": "nonsense"}, {"traceparent": None}, {"traceparent": 5}, {7: b"x"}],
)
def test_what_was_stored_wrongly_resumes_nothing(stored: dict[str, str] | None) -> None:
    """Work without a usable trace is still done."""
    with resume_context(stored):
        assert trace_ids() == NONE


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text()))
def test_no_stored_text_stops_the_work(stored: dict[str, str]) -> None:
    """Headers are data from outside."""
    done = False
    with resume_context(stored):
        done = True
    assert done


def test_a_carried_function_runs_in_the_trace_of_its_maker() -> None:
    """A thread starts without a trace; the function brings it along."""
    seen: list[tuple[str, str]] = []
    with resume_context({"traceparent": HEADER}):
        carried = carry_context(lambda: seen.append(trace_ids()))
    for target in (lambda: seen.append(trace_ids()), carried):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert seen == [NONE, ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")]


def test_a_carried_function_leaves_the_callers_trace_as_it_was() -> None:
    """A pool's thread takes the next job clean, also after an error."""

    def fail() -> None:
        raise ValueError("no")

    with resume_context({"traceparent": HEADER}):
        carried = carry_context(fail)
    with pytest.raises(ValueError, match="no"):
        carried()
    assert trace_ids() == NONE


def test_a_carried_function_keeps_name_arguments_and_result() -> None:
    """It can stand wherever the function stood."""

    def price(volume: float, *, factor: float) -> float:
        """Price of a volume."""
        return volume * factor

    carried = carry_context(price)
    assert (carried.__name__, carried.__doc__, carried(2.0, factor=3.0)) == (
        "price",
        "Price of a volume.",
        6.0,
    )


def test_what_is_untraced_leaves_no_span(otel: Telemetry) -> None:
    """A query in the block makes none; the same query behind it does."""
    with sqlite3.connect(":memory:") as database:
        traced = dbapi.instrument_connection("test", database, "sqlite")
        with untraced():
            traced.cursor().execute("SELECT 1")
        inside = otel.spans
        traced.cursor().execute("SELECT 1")
    database.close()

    assert inside == []
    assert [span.kind for span in otel.spans] == ["CLIENT"]
