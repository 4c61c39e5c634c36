# SPDX-License-Identifier: Apache-2.0
"""
The header ``x-death``: in which queue a message died last, and why.

https://www.rabbitmq.com/docs/dlx#effects. It is a list of tables, the latest death first; a
table whose count rises keeps the time of its first death.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

#: What the broker gives as reason.
REASONS = frozenset({"rejected", "expired", "maxlen", "delivery_limit"})


class Death(NamedTuple):
    """One entry of ``x-death``."""

    queue: str
    #: One of `REASONS`, or ``unknown``.
    reason: str
    #: How often the message died there, for this reason.
    times: int
    #: When it did for the first time, in seconds since the epoch, whole ones; None if not said.
    at: int | None


def last(headers: Mapping[str, Any] | None) -> Death | None:
    """Return the latest death of the message with *headers*; None if it has died nowhere."""
    entries = headers.get("x-death") if headers else None
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], Mapping):
        return None
    entry = entries[0]
    reason, count = _text(entry.get("reason")), entry.get("count")
    return Death(
        queue=_text(entry.get("queue")),
        reason=reason if reason in REASONS else "unknown",
        times=count if isinstance(count, int) and count > 0 else 1,
        at=_seconds(entry.get("time")),
    )


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> int | None:
    if isinstance(value, datetime):
        # Some versions of pika give the time of UTC without saying so.
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    return value if isinstance(value, int) and not isinstance(value, bool) else None
