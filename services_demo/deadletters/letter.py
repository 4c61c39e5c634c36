# SPDX-License-Identifier: Apache-2.0
"""
A dead letter: a message, and what the broker noted about its death.

The notes are headers. RabbitMQ 3 and 4 write ``x-death``, a list with an entry for each queue
and reason, the last death first; 4 also writes ``x-last-death-…``. Any of it may be missing or
be something else: a stranger may publish to the exchange of the dead too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from services_demo.deadletters.values import moment, text, to_json

if TYPE_CHECKING:
    import pika
    from pika.spec import Basic

#: Own headers of a message that was replayed: the row it came from, and how often it was.
REPLAY_OF = "x-replay-of"
REPLAYS = "x-replays"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CONTEXT = ("traceparent", "tracestate", "baggage")
#: The broker writes them at each delivery, so that one message never looks the same twice.
_OF_DELIVERY = {"x-delivery-count", "x-acquired-count"}
_PROPERTIES = (
    *("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id"),
    *("reply_to", "expiration", "message_id", "timestamp", "type", "user_id", "app_id"),
    "cluster_id",
)
_MOST = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """
    One dead letter as it is stored.

    ``queue`` is where it died and ``reason`` why, as the broker says, both empty if nobody
    says. ``fingerprint`` is the same for two deliveries of one death; None for a message
    without an id, of which nobody can tell whether two are one.
    """

    message_id: str = ""
    event: str = ""
    queue: str = ""
    reason: str = ""
    exchange: str = ""
    routing_key: str = ""
    deaths: int = 1
    first_died_at: datetime | None = None
    last_died_at: datetime | None = None
    replays: int = 0
    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    trace_context: Mapping[str, str]
    body: bytes
    fingerprint: bytes | None = None

    @property
    def trace_id(self) -> str:
        """The trace that the message belongs to; nothing if it belongs to none."""
        found = _TRACEPARENT.fullmatch(self.trace_context.get("traceparent", ""))
        return found[1] if found else ""


def read(method: Basic.Deliver, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    """Return the dead letter that was delivered, whatever its headers hold."""
    headers = properties.headers if isinstance(properties.headers, dict) else {}
    deaths = _deaths(headers)
    last = _last(deaths, headers)
    keys = last.get("routing-keys")
    routing_key = text(keys[0] if isinstance(keys, list) and keys else method.routing_key)
    times = sorted(time for each in deaths if (time := moment(each.get("time"))))
    letter = DeadLetter(
        message_id=text(properties.message_id),
        event=text(properties.type) or routing_key,
        queue=text(last.get("queue")),
        reason=text(last.get("reason")),
        exchange=text(last.get("exchange", method.exchange)),
        routing_key=routing_key,
        deaths=min(_MOST, sum(_count(each.get("count")) for each in deaths) or 1),
        first_died_at=times[0] if times else None,
        last_died_at=times[-1] if times else None,
        replays=_count(headers.get(REPLAYS), least=0),
        properties={
            name: to_json(value)
            for name in _PROPERTIES
            if (value := getattr(properties, name)) is not None
        },
        headers=to_json({key: each for key, each in headers.items() if key not in _OF_DELIVERY}),
        trace_context={
            key: value
            for key in _CONTEXT
            if isinstance(value := headers.get(key), str) and "\0" not in value
        },
        body=body,
    )
    return replace(letter, fingerprint=_fingerprint(letter))


def unread(method: Basic.Deliver, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    """Return what is left of a delivery that `read` or the database cannot take: its body."""
    return DeadLetter(
        message_id=text(properties.message_id),
        routing_key=text(method.routing_key),
        properties={},
        headers={},
        trace_context={},
        body=body,
    )


def _deaths(headers: Mapping[Any, Any]) -> list[dict[Any, Any]]:
    noted = headers.get("x-death")
    found = [each for each in noted if isinstance(each, dict)] if isinstance(noted, list) else []
    if found:
        return found
    first = {key: headers.get(f"x-first-death-{key}") for key in ("queue", "reason", "exchange")}
    return [{key: value for key, value in first.items() if value is not None}]


def _last(deaths: list[dict[Any, Any]], headers: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the entry of the last death; RabbitMQ 4 names it, 3 puts it first."""
    named = {key: headers.get(f"x-last-death-{key}") for key in ("queue", "reason")}
    for each in deaths:
        if all(each.get(key) == value for key, value in named.items()):
            return each
    return deaths[0]


def _count(value: object, *, least: int = 1) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return min(_MOST, max(least, int(value))) if is_count else least  # type: ignore[call-overload]


def _fingerprint(letter: DeadLetter) -> bytes | None:
    if not letter.message_id:
        return None
    parts = [letter.queue, letter.routing_key, letter.properties, letter.headers]
    told = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(told.encode() + b"\0" + letter.body).digest()
