# SPDX-License-Identifier: Apache-2.0
"""What is read from the headers of a message, whatever somebody wrote there."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_setup.instrumentation.messaging import clock, deaths, headers

TRACE, SPAN = 0xAF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
PUBLISHER = trace.set_span_in_context(
    NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1))),
    Context(),
)

#: Everything that AMQP's tables can carry.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=60)
    | st.binary(max_size=60)
    | st.datetimes(timezones=st.none() | st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("traceparent", "tracestate", "baggage", "x-death"),
        *(clock.STAMP, clock.BROKER, clock.STALE_STAMP, clock.STALE_DEATH),
    ]
)


def death(**changes: Any) -> dict[str, Any]:
    """Return an entry of x-death as RabbitMQ 3 and 4 write it."""
    return {
        "count": 1,
        "reason": "rejected",
        "queue": "mes.orders",
        "time": datetime(2026, 5, 1, 12, 0, 7, tzinfo=UTC),
        "exchange": "orders",
        "routing-keys": ["order.placed"],
        **changes,
    }


def seconds_ago(seconds: float) -> int:
    """Return that moment as our stamp says it."""
    return time.time_ns() - round(seconds * 1e9)


@given(st.dictionaries(NAMES | st.text(max_size=9), VALUES, max_size=8))
def test_no_headers_are_too_odd(found: dict[str, Any]) -> None:
    """They are read, or left out; a time is never negative; and they can be published again."""
    origin = headers.extract(found)
    last = deaths.last(found)
    waited = clock.waited(found, last)

    assert origin.span.is_valid or origin.span == trace.INVALID_SPAN_CONTEXT
    assert waited is None or waited.seconds >= 0
    headers.inject(found, PUBLISHER)
    clock.stamp(found)
    assert headers.extract(found).span.span_id == SPAN


def test_a_trace_comes_through() -> None:
    """What one client writes the other reads."""
    found: dict[str, Any] = {"mine": 1}

    headers.inject(found, PUBLISHER)
    origin = headers.extract(found)

    assert found["mine"] == 1
    assert (origin.span.trace_id, origin.span.span_id, origin.invalid) == (TRACE, SPAN, False)


def test_a_trace_takes_the_place_of_an_earlier_one() -> None:
    """A message that is sent on does not carry the state of the trace that it came with."""
    found: dict[str, Any] = {"traceparent": 5, "tracestate": "old=1", "baggage": "user=7"}

    headers.inject(found, PUBLISHER)

    assert found.keys() == {"traceparent"}


@pytest.mark.parametrize("value", [5, b"\xff", [], None, {}, "x" * 10_000, "", "00-0-0-00", True])
def test_a_trace_that_is_none_is_said_to_be_invalid(value: Any) -> None:
    """The message begins anew, without any part of it."""
    origin = headers.extract({"traceparent": value})

    assert (origin.span.is_valid, origin.invalid) == (False, True)


@pytest.mark.parametrize("found", [None, {}, {"mine": 1}])
def test_a_message_without_a_trace_is_not_invalid(found: dict[str, Any] | None) -> None:
    """Not everybody who publishes is traced."""
    origin = headers.extract(found)

    assert (origin.span.is_valid, origin.invalid) == (False, False)


def test_the_latest_death_is_read() -> None:
    """It stands first."""
    found = {"x-death": [death(), death(queue="shop.orders", reason="expired")]}

    assert deaths.last(found) == ("mes.orders", "rejected", 1, 1777636807)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([death(reason="of age")], ("mes.orders", "unknown", 1, 1777636807)),
        ([death(count=3)], ("mes.orders", "rejected", 3, 1777636807)),
        ([death(time=datetime(2026, 5, 1, 12, 0, 7))], ("mes.orders", "rejected", 1, 1777636807)),  # noqa: DTZ001 - so does old pika
        ([{}], ("", "unknown", 1, None)),
        ([death(queue=b"\xff", count="x")], ("�", "rejected", 1, 1777636807)),
    ],
)
def test_a_death_that_lacks_something_is_read_as_far_as_it_goes(
    entries: list[Any], expected: tuple[object, ...]
) -> None:
    """Nothing in it is needed."""
    assert deaths.last({"x-death": entries}) == expected


@pytest.mark.parametrize("entries", [None, [], {}, "x", [5], [None]])
def test_what_is_no_death_is_none(entries: Any) -> None:
    """Anybody may publish a header of that name."""
    assert deaths.last({"x-death": entries}) is None


def test_the_publishers_clock_serves_where_the_broker_stamps_nothing() -> None:
    """The time since its stamp is the time in the queue."""
    waited = clock.waited({clock.STAMP: seconds_ago(2)}, None)

    assert waited is not None
    assert (waited.clock, waited.skew) == ("publisher", "")
    assert 2 <= waited.seconds < 60


def test_the_broker_is_believed_rather_than_the_publisher() -> None:
    """All messages of a queue are then measured by one clock."""
    found = {clock.STAMP: seconds_ago(100), clock.BROKER: seconds_ago(2) // 10**6}

    waited = clock.waited(found, None)

    assert waited is not None
    assert (waited.clock, waited.skew) == ("broker", "behind")
    assert 2 <= waited.seconds < 60


@pytest.mark.parametrize("ahead", [5, 3600])
@pytest.mark.parametrize("stamped", [False, True])
def test_a_publisher_from_the_future_is_found_out(ahead: int, *, stamped: bool) -> None:
    """The time is not negative, whoever else stamped the message."""
    found = {clock.STAMP: seconds_ago(-ahead)}
    if stamped:
        found[clock.BROKER] = seconds_ago(0) // 10**6

    waited = clock.waited(found, None)

    assert waited is not None
    assert waited.skew == "ahead"
    assert waited.seconds >= 0


def test_a_stamp_of_an_earlier_life_is_not_believed() -> None:
    """Who publishes a message again often keeps its headers."""
    found = {clock.BROKER: seconds_ago(900) // 10**6}
    clock.stamp(found)

    waited = clock.waited(found, None)

    assert waited is not None
    assert waited.clock == "publisher"
    assert waited.seconds < 60


def test_a_dead_letter_waits_since_its_death() -> None:
    """Not since it was published: that was in another queue."""
    at = datetime.fromtimestamp(int(time.time()) - 30, UTC)
    found = {clock.STAMP: seconds_ago(500), "x-death": [death(time=at)]}

    waited = clock.waited(found, deaths.last(found))

    assert waited is not None
    assert waited.clock == "death"
    assert 30 <= waited.seconds < 90


def test_a_death_of_an_earlier_life_is_not_believed() -> None:
    """A message that is sent back from the dead letters waits since then."""
    found: dict[str, Any] = {"x-death": [death()]}
    clock.stamp(found)

    waited = clock.waited(found, deaths.last(found))

    assert waited is not None
    assert (waited.clock, waited.seconds < 60) == ("publisher", True)


def test_a_death_that_was_repeated_says_nothing_of_the_last_time() -> None:
    """The broker counts it on, and keeps the time of the first."""
    found = {clock.STAMP: seconds_ago(3), "x-death": [death(count=4)]}

    waited = clock.waited(found, deaths.last(found))

    assert waited is not None
    assert waited.clock == "publisher"


def test_every_stamp_is_another() -> None:
    """A message that comes back is known again by it."""
    stamps = [clock.stamp({}) for _ in range(1000)]

    assert len(set(stamps)) == 1000


def test_what_has_no_stamp_has_no_time() -> None:
    """Neither is one made up."""
    assert clock.waited({"mine": 1}, None) is None
    assert clock.waited(None, None) is None
