# SPDX-License-Identifier: Apache-2.0
"""What is read from a dead letter, whatever its headers hold, and what comes back from JSON."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika import data
from pika.spec import Basic

from services_demo.bus.decoding import survive_unreadable_headers
from services_demo.deadletters.letter import DeadLetter, read
from services_demo.deadletters.replay import headers_of
from services_demo.deadletters.values import from_json, text, to_json

DIED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
DEATH = {
    "count": 1,
    "reason": "rejected",
    "queue": "mes.orders",
    "time": DIED,
    "exchange": "orders",
    "routing-keys": ["order.placed"],
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.decimals(allow_nan=False, allow_infinity=False, places=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def letter(
    headers: Any = None, *, body: bytes = b"{}", exchange: str = "orders.dead", **properties: Any
) -> DeadLetter:
    """Return what is read from a message with *headers*."""
    method = Basic.Deliver("c", 1, False, exchange, "order.placed")
    return read(method, pika.BasicProperties(headers=headers, **properties), body)


def test_the_death_is_read_from_what_the_broker_noted() -> None:
    """Queue, reason, time, exchange and routing key are those of the message's life."""
    seen = letter({"x-death": [DEATH]}, message_id="m1", type="order.placed")

    assert (seen.queue, seen.reason, seen.deaths) == ("mes.orders", "rejected", 1)
    assert (seen.exchange, seen.routing_key, seen.event) == (
        *("orders", "order.placed"),
        "order.placed",
    )
    assert (seen.first_died_at, seen.last_died_at, seen.message_id) == (DIED, DIED, "m1")


def test_the_last_death_counts_with_rabbitmq_3() -> None:
    """Its entry is the first one; all deaths are counted."""
    later = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)
    last = {**DEATH, "queue": "crm.orders", "reason": "expired", "count": 2, "time": later}

    seen = letter({"x-death": [last, DEATH], "x-first-death-queue": "mes.orders"})

    assert (seen.queue, seen.reason, seen.deaths) == ("crm.orders", "expired", 3)
    assert (seen.first_died_at, seen.last_died_at) == (DIED, later)


def test_the_last_death_counts_with_rabbitmq_4() -> None:
    """It is named, wherever its entry stands."""
    last = {**DEATH, "queue": "crm.orders", "reason": "delivery_limit"}
    named = {"x-last-death-queue": "crm.orders", "x-last-death-reason": "delivery_limit"}

    seen = letter({"x-death": [DEATH, last], **named})

    assert (seen.queue, seen.reason) == ("crm.orders", "delivery_limit")


def test_without_entries_the_first_death_is_taken() -> None:
    """It stands in headers of its own."""
    noted = {"x-first-death-queue": "shop.orders", "x-first-death-reason": "maxlen"}

    seen = letter(noted)

    assert (seen.queue, seen.reason, seen.last_died_at) == ("shop.orders", "maxlen", None)


@pytest.mark.parametrize(
    "death",
    [None, "no list", [], [7, "x"], [{}], [{"queue": None}], {"queue": "mes.orders"}],
)
def test_a_death_that_nobody_noted_has_no_queue(death: object) -> None:
    """A stranger published it to the exchange of the dead: that is where it came from."""
    seen = letter({"x-death": death})

    assert (seen.queue, seen.reason, seen.deaths) == ("", "", 1)
    assert (seen.exchange, seen.routing_key) == ("orders.dead", "order.placed")


@given(st.dictionaries(st.text() | st.binary(), values, max_size=5), values)
def test_whatever_headers_hold_can_be_stored(headers: dict[Any, Any], noted: object) -> None:
    """All of it becomes JSON without zero characters, which PostgreSQL takes."""
    death = dict.fromkeys(DEATH, noted)
    seen = letter({**headers, "x-death": [death, noted], "traceparent": noted})

    stored = json.dumps([dict(seen.properties), seen.headers, seen.trace_context])
    assert "\\u0000" not in stored
    words = (seen.queue, seen.reason, seen.exchange, seen.routing_key, seen.message_id, seen.event)
    assert [word for word in words if "\0" in word or len(word) > 255] == []
    assert 1 <= seen.deaths < 1 << 31


@given(values)
def test_what_is_stored_comes_back(value: object) -> None:
    """A replay sends what the sender sent, as far as AMQP can say it."""

    def as_sent(held: object) -> object:
        if isinstance(held, str):
            return held.encode() if "\0" in held else held
        if isinstance(held, list):
            return [as_sent(each) for each in held]
        if isinstance(held, dict):
            return {text(key): as_sent(each) for key, each in held.items()}
        if isinstance(held, int) and not -(1 << 63) <= held < 1 << 63:
            return str(held)
        return held

    stored = json.loads(json.dumps(to_json(value)))

    assert from_json(stored) == as_sent(value)


def test_a_table_that_looks_like_ours_stays_as_it_is() -> None:
    """Whoever sends ``$bytes`` with something else gets it back."""
    assert from_json({"$bytes": "?"}) == {"$bytes": "?"}
    assert from_json({"$decimal": "x"}) == {"$decimal": "x"}


def test_tables_in_tables_end_somewhere() -> None:
    """A thousand of them become sixteen and a note."""
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"t": deep}

    assert "left out" in json.dumps(to_json(deep))


def test_two_deliveries_of_one_death_are_one() -> None:
    """The broker counts deliveries in a header, which is no part of the message."""
    first = letter({"x-death": [DEATH]}, message_id="m1")
    again = letter({"x-death": [DEATH], "x-delivery-count": 3}, message_id="m1")

    assert first.fingerprint == again.fingerprint is not None


@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"x-death": [{**DEATH, "queue": "crm.orders"}]}},
        {"headers": {"x-death": [DEATH], "x-replays": 1}},
        {"body": b"[]"},
        {"message_id": "m2"},
    ],
    ids=["queue", "replayed", "body", "id"],
)
def test_two_deaths_are_two(other: dict[str, Any]) -> None:
    """The same message in two queues, or after a replay, is to be handled twice."""
    told: dict[str, Any] = {"headers": {"x-death": [DEATH]}, "body": b"{}", "message_id": "m1"}

    assert letter(**told).fingerprint != letter(**{**told, **other}).fingerprint


def test_a_message_without_id_is_never_taken_for_another() -> None:
    """Two equal ones may be two: rather keep one twice than lose one."""
    assert letter({"x-death": [DEATH]}).fingerprint is None


@pytest.mark.parametrize("parent", [f"00-{TRACE}-b7ad6b7169203331-01", "00-0af7-1-01", b"\xff", 7])
def test_the_trace_id_is_that_of_a_valid_parent(parent: object) -> None:
    """Anything else is no trace."""
    seen = letter({"traceparent": parent})

    assert seen.trace_id == (TRACE if str(parent).count(TRACE) else "")


def test_a_replayed_message_begins_anew() -> None:
    """Notes of its death, stamps and addresses of copies are gone; the sender's headers stay."""
    row = {
        "dead_letter_id": 7,
        "replays": 1,
        "headers": to_json(
            {
                "x-death": [DEATH],
                "x-first-death-queue": "mes.orders",
                "x-delivery-count": 2,
                "x-last-death-reason": "rejected",
                "timestamp_in_ms": 1,
                "x-otel-published-at": 1,
                "traceparent": "t",
                "tracestate": "s",
                "baggage": "b",
                "CC": ["crm.orders"],
                "BCC": ["shop.orders"],
                "x-replays": 1,
                "tenant": "a",
                "blob": b"\xff",
                "price": Decimal("1.5"),
                "when": DIED,
            }
        ),
    }

    assert headers_of(row) == {
        "tenant": "a",
        "blob": b"\xff",
        "price": Decimal("1.5"),
        "when": DIED,
        "x-replay-of": 7,
        "x-replays": 2,
    }


def test_a_header_that_cannot_travel_stays_behind() -> None:
    """One value that AMQP cannot say must not hold its message back."""
    row = {"dead_letter_id": 7, "replays": 0, "headers": {"n" * 300: 1, "tenant": "a", "f": 1.5}}

    assert headers_of(row) == {"tenant": "a", "x-replay-of": 7, "x-replays": 1}


def _table(kind: bytes, value: bytes) -> bytes:
    entry = b"\x01k" + kind + value + b"\x01zt\x01"
    return struct.pack(">I", len(entry)) + entry


@pytest.mark.parametrize(
    ("kind", "value", "seen"),
    [
        (b"T", struct.pack(">Q", 1_772_000_000_000), 1_772_000_000_000),
        (b"T", struct.pack(">Q", 2**64 - 1), 2**64 - 1),
        (b"d", struct.pack(">d", float("nan")), struct.pack(">d", float("nan"))),
        (b"f", struct.pack(">f", float("inf")), struct.pack(">f", float("inf"))),
    ],
    ids=["milliseconds", "before 1970", "no number", "infinite"],
)
def test_a_header_that_pika_cannot_read_costs_nothing_else(
    kind: bytes, value: bytes, seen: object
) -> None:
    """It comes raw, and the header behind it as it is."""
    survive_unreadable_headers()

    assert data.decode_table(_table(kind, value), 0)[0] == {"k": seen, "z": True}


def test_tables_deeper_than_python_recurses_are_read() -> None:
    """Five thousand of them end in bytes."""
    survive_unreadable_headers()
    nested = b""
    for _ in range(5000):
        entry = b"\x01kF" + struct.pack(">I", len(nested)) + nested
        nested = entry
    table = struct.pack(">I", len(nested)) + nested

    held, end = data.decode_table(table, 0)

    assert end == len(table)
    while isinstance(held, dict):
        held = held["k"]
    assert isinstance(held, bytes)
