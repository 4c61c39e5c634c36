# SPDX-License-Identifier: Apache-2.0
"""
What is told about dead letters: how many came, wait and were handled, and how old they are.

All of it is asked of the database at each export: so a restart forgets nothing, and neither
does the command that replays, which ends before anybody could ask it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, Any, LiteralString

from otel_setup import observe
from services_demo.catalogue import deadletters as catalogue
from services_demo.database import Unavailable

if TYPE_CHECKING:
    from services_demo.database import Pool

_QUEUE, _REASON, _ACTION = "messaging.destination.name", "reason", "action"

_WAITING: LiteralString = (
    "SELECT queue, reason, count(*) AS letters, max(greatest(0, extract(epoch FROM"
    " clock_timestamp() - coalesce(last_died_at, kept_at))))::double precision AS age"
    " FROM dead_letter WHERE state = 'waiting' GROUP BY queue, reason"
)
_COUNTED: LiteralString = "SELECT queue, reason, action, letters FROM dead_letter_count"

Observed = list[tuple[float, dict[str, str]]]


def observe_letters(pool: Pool) -> None:
    """Have the database of *pool* asked at each export; only one process does so."""

    def rows(query: LiteralString) -> list[dict[str, Any]]:
        # An export must not wait behind the work for a connection.
        with pool.connection(timeout=1) as database:
            return database.execute(query).fetchall()

    def counted(*actions: str) -> list[dict[str, Any]]:
        return [row for row in rows(_COUNTED) if row["action"] in actions]

    # What died while nobody kept it is taken before the first export, and would be in its totals:
    # they would never rise. So the first export tells what was there before.
    earlier: list[Observed] = []
    with suppress(*Unavailable):
        earlier.append(totals(counted("kept")))

    observe(catalogue.WAITING, lambda: totals(rows(_WAITING)))
    observe(catalogue.OLDEST_AGE, lambda: oldest(rows(_WAITING)))
    observe(
        catalogue.KEPT,
        lambda: earlier.pop() if earlier else totals(counted("kept")),
        older=True,
    )
    observe(
        catalogue.HANDLED,
        lambda: [
            (value, {**labels, _ACTION: action})
            for action in catalogue.ACTIONS
            for value, labels in totals(counted(action))
        ],
        older=True,
    )


def totals(rows: Iterable[dict[str, Any]]) -> Observed:
    """Return how many letters *rows* have by queue and reason, and 0 for what is not in them."""
    # What was there and is gone must show 0, not its last value for five minutes.
    found = dict.fromkeys(product(catalogue.QUEUES, catalogue.REASONS), 0.0)
    for row in rows:
        found[_known(row)] += float(row["letters"])
    return _labelled(found)


def oldest(rows: Iterable[dict[str, Any]]) -> Observed:
    """Return the highest age of *rows* by queue and reason, 0 for what is not in them."""
    found = dict.fromkeys(product(catalogue.QUEUES, catalogue.REASONS), 0.0)
    for row in rows:
        found[_known(row)] = max(found[_known(row)], float(row["age"]))
    return _labelled(found)


def _known(row: dict[str, Any]) -> tuple[str, str]:
    """Return queue and reason of a closed set: those that strangers name are unknown."""
    return (
        row["queue"] if row["queue"] in catalogue.QUEUES else catalogue.UNKNOWN,
        row["reason"] if row["reason"] in catalogue.REASONS else catalogue.UNKNOWN,
    )


def _labelled(found: dict[tuple[str, str], float]) -> Observed:
    return [(value, {_QUEUE: queue, _REASON: reason}) for (queue, reason), value in found.items()]
