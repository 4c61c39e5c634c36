# SPDX-License-Identifier: Apache-2.0
"""
The switch: a row of the database, so that all workers see it, wherever they run.

It ends by itself, and with the API's next start: a switch that was forgotten is no trap.
"""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from otel_setup import untraced
from services_demo.database import Connection

_LOOK_SECONDS = 1.0


class Cause(StrEnum):
    """Why the list is slow."""

    POOL = "pool"
    QUERIES = "queries"
    STATEMENT = "statement"
    LOCK = "lock"
    PAGE = "page"


class Setting(NamedTuple):
    """What the switch is set to, and until when."""

    cause: Cause
    ends_at: datetime


def turn_on(connection: Connection, cause: Cause, minutes: float) -> Setting:
    """Make the list slow for so many *minutes*, in place of what was set before."""
    connection.execute(
        "INSERT INTO slow_list (cause, ends_at) VALUES (%s, now() + make_interval(secs => %s))"
        " ON CONFLICT (one) DO UPDATE SET cause = excluded.cause, ends_at = excluded.ends_at",
        (cause, minutes * 60),
    )
    setting = read(connection)
    assert setting is not None  # noqa: S101 - it was just written
    return setting


def turn_off(connection: Connection) -> None:
    """Let the list be as fast as it can."""
    connection.execute("DELETE FROM slow_list")


def read(connection: Connection) -> Setting | None:
    """Return what the switch is set to; None when it is off."""
    row = connection.execute(
        "SELECT cause, ends_at FROM slow_list WHERE ends_at > now()"
    ).fetchone()
    return Setting(Cause(row["cause"]), row["ends_at"]) if row else None


class Switch:
    """The switch as one process sees it: at most a second late, for one short query a second."""

    def __init__(self) -> None:
        self._cause: Cause | None = None
        self._look_at = 0.0

    def cause(self, connection: Connection) -> Cause | None:
        """Return why the list is to be slow; the look is no part of the request's telemetry."""
        if time.monotonic() >= self._look_at:
            # Other threads go on with what was read before.
            self._look_at = time.monotonic() + _LOOK_SECONDS
            with untraced():
                setting = read(connection)
            self._cause = setting and setting.cause
        return self._cause
