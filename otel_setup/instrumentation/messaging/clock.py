# SPDX-License-Identifier: Apache-2.0
"""
How long a message waited: from when, and by whose clock.

The broker's stamp is the best, since all messages of a queue are measured by one clock: RabbitMQ
from 3.12 on writes it where ``message_interceptors.incoming.set_header_timestamp.overwrite`` is
set. Without one the publisher's is taken, which our instrumentation writes. A message that came
as a dead letter waits here since its death.

A message that is published again, by a person or a tool, often carries the headers of its first
life. What was there at the publishing is marked as stale, and not believed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

from otel_setup.instrumentation.messaging import deaths

#: Ours: nanoseconds since the epoch at which the message was published.
STAMP = "x-otel-published-at"
#: Ours: the broker's stamp, and the time of the latest death, that were there before.
STALE_STAMP = "x-otel-stale-timestamp"
STALE_DEATH = "x-otel-stale-death"
#: The broker's: milliseconds since the epoch at which the message came in.
BROKER = "timestamp_in_ms"

#: Two machines that keep their time by NTP differ by less.
_IN_STEP_SECONDS = 0.01
#: The broker's stamp is later by the way to it, which may take long when it is busy.
_BEHIND_SECONDS = 1.0

_lock = threading.Lock()
_latest = 0


class Waited(NamedTuple):
    """How long a message waited."""

    #: Never negative.
    seconds: float
    #: ``broker``, ``death`` or ``publisher``.
    clock: str
    #: How the publisher's clock is wrong: ``ahead``, ``behind``; empty when it seems right.
    skew: str


def stamp(headers: MutableMapping[str, Any]) -> int:
    """Write into *headers* that the message is published now; return that moment, a new one."""
    global _latest  # noqa: PLW0603 - a returned message is known again by its moment
    with _lock:
        now = _latest = max(_latest + 1, time.time_ns())
    headers[STAMP] = now
    headers.pop(STALE_STAMP, None)
    headers.pop(STALE_DEATH, None)
    if (earlier := _number(headers, BROKER)) is not None:
        headers[STALE_STAMP] = earlier
    death = deaths.last(headers)
    if death and death.at is not None:
        headers[STALE_DEATH] = death.at
    return now


def waited(headers: Mapping[str, Any] | None, death: deaths.Death | None) -> Waited | None:
    """Return how long the message with *headers*, that died as *death*, waited; None if unknown."""
    if not headers:
        return None
    now = time.time_ns()
    publisher = _number(headers, STAMP)
    broker = _number(headers, BROKER)
    if broker is not None and broker == _number(headers, STALE_STAMP):
        broker = None
    if death and death.times == 1 and death.at and death.at != _number(headers, STALE_DEATH):
        # In whole seconds: what was published within that second died after that.
        begin = death.at * 10**9
        if publisher is not None and begin < publisher < begin + 10**9:
            begin = publisher
        return Waited(max(0.0, (now - begin) / 1e9), "death", "")
    if broker is not None:
        seconds = max(0.0, now / 1e9 - broker / 1e3)
        return Waited(seconds, "broker", _skew_to_broker(publisher, broker))
    if publisher is None:
        return None
    seconds = (now - publisher) / 1e9
    skew = "ahead" if seconds < -_IN_STEP_SECONDS else ""
    return Waited(max(0.0, seconds), "publisher", skew)


def since(stamped: object) -> float | None:
    """Return the seconds since the moment *stamped* that `stamp` wrote; None if it is none."""
    if not isinstance(stamped, int):
        return None
    return max(0.0, (time.time_ns() - stamped) / 1e9)


def _skew_to_broker(publisher: int | None, broker: int) -> str:
    if publisher is None:
        return ""
    late = broker / 1e3 - publisher / 1e9
    if late > _BEHIND_SECONDS:
        return "behind"
    # The broker's stamp has no parts of a millisecond.
    return "ahead" if late < -_IN_STEP_SECONDS else ""


def _number(headers: Mapping[str, Any], name: str) -> int | None:
    value = headers.get(name)
    # Zero or less is no moment, and a bool is an int; so is what pika makes of a long one.
    return value if isinstance(value, int) and value > 0 and value is not True else None
