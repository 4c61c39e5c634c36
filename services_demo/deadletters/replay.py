# SPDX-License-Identifier: Apache-2.0
"""Sends a dead letter back to the queue in which it died, as part of the trace that it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pika
from opentelemetry import trace
from pika import data
from pika.exceptions import NackError, UnroutableError

from otel_setup import capture_context, resume_context
from services_demo.deadletters import store
from services_demo.deadletters.letter import REPLAY_OF, REPLAYS
from services_demo.deadletters.values import from_json

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

    from services_demo.database import Connection

#: Notes of the life before: the next one begins with its own. CC and BCC would send copies
#: to queues that never asked for this message again.
_OF_ITS_LIFE = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count")
_STAMPS = {"timestamp_in_ms", "x-otel-published-at", "traceparent", "tracestate", "baggage"}
_COPIES = {"CC", "BCC"}
#: The broker checks them against who publishes, and that is not the sender any more.
_OF_THE_SENDER = {"user_id", "cluster_id", "expiration", "delivery_mode"}
_KEPT_ON_DISK = 2
_MOST = (1 << 31) - 1


class NotReplayed(Exception):
    """The broker did not take the message, which waits as before; the text says why."""


def replay(
    database: Connection, channel: BlockingChannel, identity: int, to: str | None = None
) -> str | None:
    """
    Publish the dead letter *identity* to its queue, or *to* another, and mark it as replayed.

    It is marked when the broker has it: a crash in between sends it twice, never not at all.
    *channel* must be in confirm mode. Returns the queue; None if the letter waits no more, or
    if somebody else has it in hand.

    Raises:
        NotReplayed: nobody knows its queue, there is no such queue, or the broker refused.
    """
    with database.transaction():
        row = store.take(database, identity)
        if row is None:
            return None
        queue = to or str(row["queue"])
        if not queue:
            raise NotReplayed(
                f"dead letter {identity}: nobody noted in which queue it died. Say where it "
                "belongs with --to QUEUE."
            )
        with _in_its_trace(row, queue):
            _publish(channel, queue, row)
            store.mark(database, row, "replayed")
    return queue


@contextmanager
def _in_its_trace(row: store.Row, queue: str) -> Iterator[None]:
    """Open a span in the trace of the message, which links to the span that sent it."""
    with resume_context(row["trace_context"]):
        origin = trace.get_current_span().get_span_context()
        with trace.get_tracer(__name__).start_as_current_span(
            f"replay {queue}",
            links=[trace.Link(origin)] if origin.is_valid else [],
            attributes={
                "messaging.system": "rabbitmq",
                "messaging.destination.name": queue,
                "messaging.message.id": row["message_id"],
                "dead_letter.id": row["dead_letter_id"],
                "dead_letter.reason": row["reason"],
            },
        ):
            yield


def _publish(channel: BlockingChannel, queue: str, row: store.Row) -> None:
    properties = {
        name: from_json(value)
        for name, value in row["properties"].items()
        if name not in _OF_THE_SENDER
    }
    # Its routing key is the queue's name now: the type alone still says what it is.
    properties.setdefault("type", row["event"] or None)
    # Without instrumentation nobody else says which trace goes on.
    headers = {**headers_of(row), **(capture_context() or row["trace_context"])}
    try:
        channel.basic_publish(
            "",
            queue,
            bytes(row["body"]),
            properties=pika.BasicProperties(
                **properties, headers=headers, delivery_mode=_KEPT_ON_DISK
            ),
            mandatory=True,
        )
    except UnroutableError:
        raise NotReplayed(
            f"dead letter {row['dead_letter_id']}: there is no queue {queue!r}. Start the service "
            "that declares it, or say --to QUEUE."
        ) from None
    except NackError:
        raise NotReplayed(
            f"dead letter {row['dead_letter_id']}: the broker refused it; queue {queue!r} may be "
            "full. Try again when it is shorter."
        ) from None


def headers_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of the next life: the sender's own, and two of ours."""
    kept: dict[str, Any] = {}
    for name, value in row["headers"].items():
        if name in _STAMPS | _COPIES or name.startswith(_OF_ITS_LIFE):
            continue
        back = from_json(value)
        if _can_travel(name, back):
            kept[name] = back
    return {
        **kept,
        REPLAY_OF: int(row["dead_letter_id"]),
        REPLAYS: min(_MOST, int(row["replays"]) + 1),
    }


def _can_travel(name: str, value: object) -> bool:
    """Tell whether pika can send this header; what it could read, it cannot always write."""
    try:
        data.encode_table([], {name: value})
    except Exception:  # noqa: BLE001 - one header of a stranger must not hold the message back
        return False
    return True
