# SPDX-License-Identifier: Apache-2.0
"""What a consumer tells about the events of its queue: how late they are, and which failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from otel_setup import instrument
from services_demo.bus.failures import NotYet, Refuse
from services_demo.bus.topology import BINDINGS
from services_demo.catalogue import bus as catalogue

if TYPE_CHECKING:
    from services_demo.messages import Message

DELAY = instrument(catalogue.EVENT_DELAY)
FAILURES = instrument(catalogue.EVENT_FAILURES)

_QUEUE = "messaging.destination.name"


def expect_events(queue: str) -> None:
    """
    Have every failure that *queue* may see counted from 0 on.

    A counter that is first seen at 1 has not risen for whoever scrapes it: the first failure
    would go unnoticed.
    """
    keys = BINDINGS.get(queue, ())
    events = [key for key in catalogue.EVENTS if key in keys or "order.#" in keys]
    for event in (*events, catalogue.UNKNOWN):
        for error in catalogue.ERRORS:
            FAILURES.add(0, _failure(queue, event, error))


def event_handled(queue: str, message: Message) -> None:
    """Record how long ago *message* happened: its effect is committed now."""
    DELAY.record(seconds_since(message.occurred_at), {_QUEUE: queue, "event": message.routing_key})


def event_failed(queue: str, event: str | None, error: Exception) -> None:
    """Count that handling *event* ended in *error*; a type that no contract knows is unknown."""
    known = event if event in catalogue.EVENTS else catalogue.UNKNOWN
    FAILURES.add(1, _failure(queue, known, _type_of(error)))


def seconds_since(moment: datetime) -> float:
    """Return the seconds since *moment*, 0 if the clock that took it is ahead of ours."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())


def _failure(queue: str, event: str, error_type: str) -> dict[str, str]:
    outcome = "refused" if error_type == Refuse.__name__ else "retried"
    return {_QUEUE: queue, "event": event, "outcome": outcome, "error.type": error_type}


def _type_of(error: Exception) -> str:
    """Return one of a closed set: what is expected to fail; the span has the exact class."""
    if isinstance(error, Refuse | NotYet):
        return type(error).__name__
    return "DatabaseError" if isinstance(error, psycopg.Error) else catalogue.OTHER
