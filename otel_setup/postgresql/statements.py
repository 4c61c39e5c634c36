# SPDX-License-Identifier: Apache-2.0
"""Which statements of a server have a name of their own: few, those that cost most of late."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

#: What stands for all statements that have no place.
OTHER = "other"

#: How many of them the server's answer may have; one that is cut off says nothing about new ones.
READ_AT_MOST = 1000

_HALF_LIFE_SECONDS = 300.0
#: A newcomer must cost so much more than the cheapest one: places that change hands make series.
_DEARER = 2.0

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_FIRST = re.compile(
    r"\W*([A-Za-z]+)(?:\s+(TABLE|INDEX|VIEW|DATABASE|ROLE|SCHEMA)\b)?", re.IGNORECASE
)
#: ``EXTRACT(epoch FROM created)`` names no table, nor does ``FROM generate_series(…)``.
_EXTRACT = re.compile(r"\bEXTRACT\s*\(\s*\w+\s+FROM\b", re.IGNORECASE)
_NAME = r'"?[A-Za-z_][\w$]*+"?(?:\."?[A-Za-z_][\w$]*+"?)?+'
_TABLE = re.compile(
    rf"\b(?:INTO|UPDATE|TABLE|COPY)\s+(?:ONLY\s+)?({_NAME})"
    rf"|\b(?:FROM|JOIN)\s+(?:ONLY\s+)?({_NAME})(?!\s*\()",
    re.IGNORECASE,
)
_WITH_TABLE = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "LOCK", "TRUNCATE", "WITH", "TABLE"}
)


class Key(NamedTuple):
    """A kind of statement: its database, and the server's number for it."""

    database: str
    query: int


class Total(NamedTuple):
    """What a kind of statement has cost: seconds of the server, and how often it ran."""

    seconds: float
    calls: int


@dataclass(slots=True)
class _Place:
    seconds: float = 0.0
    calls: int = 0
    #: What it cost of late.
    recent: float = 0.0


class Followed:
    """
    Follows the dearest of all statements in *places* places, and no more than *names* in all.

    What it reports begins at 0 with its own start. A statement without a place counts as one of
    `OTHER`; so do all newcomers after *names*, which bounds the series of one process.
    """

    def __init__(self, places: int = 25, names: int = 100) -> None:
        self._places_at_most = places
        self._names_at_most = names
        self._names: set[Key] = set()
        self._places: dict[Key, _Place] = {}
        self._others: dict[str, _Place] = {}
        self._last: dict[Key, Total] | None = None
        self._at = 0.0

    def update(self, totals: dict[Key, Total], now: float) -> None:
        """Take in what the server has counted so far, at *now* (seconds of a steady clock)."""
        spent = self._since_last(totals)
        fade = 0.5 ** ((now - self._at) / _HALF_LIFE_SECONDS)
        for place in self._places.values():
            place.recent *= fade
        for key, delta in sorted(spent.items(), key=lambda each: -each[1].seconds):
            place = self._place_for(key, delta.seconds)
            place.seconds += delta.seconds
            place.calls += delta.calls
            place.recent += delta.seconds
        self._last, self._at = totals, now

    def keys(self) -> list[Key]:
        """Return those that have a place."""
        return list(self._places)

    def totals(self) -> Iterator[tuple[Key | str, Total]]:
        """Yield what each place has cost, and for each database (a text) all others together."""
        for key, place in self._places.items():
            yield key, Total(place.seconds, place.calls)
        for database, place in self._others.items():
            yield database, Total(place.seconds, place.calls)

    def _since_last(self, totals: dict[Key, Total]) -> dict[Key, Total]:
        if self._last is None:
            return {}
        # One that came from below the end of the list is old: what it cost before is unknown.
        unseen = Total(0.0, 0) if len(self._last) < READ_AT_MOST else None
        spent = {}
        for key, total in totals.items():
            last = self._last.get(key, unseen)
            if last is None or total.calls == last.calls:
                continue
            # The server forgot its counts and began anew.
            seconds, calls = last if total.calls > last.calls else (0.0, 0)
            spent[key] = Total(max(0.0, total.seconds - seconds), total.calls - calls)
        return spent

    def _place_for(self, key: Key, seconds: float) -> _Place:
        if key in self._places:
            return self._places[key]
        if key in self._names or len(self._names) < self._names_at_most:
            if len(self._places) < self._places_at_most:
                return self._give_place(key)
            cheapest = min(self._places, key=lambda each: self._places[each].recent)
            if seconds > _DEARER * self._places[cheapest].recent:
                del self._places[cheapest]
                return self._give_place(key)
        return self._others.setdefault(key.database, _Place())

    def _give_place(self, key: Key) -> _Place:
        self._names.add(key)
        self._places[key] = _Place()
        return self._places[key]


def summary(text: str) -> str:
    """
    Return what the statement *text* does: its first word and first table, never a value.

    So ``SELECT * FROM orders WHERE id = $1`` is ``SELECT orders``.
    """
    plain = _COMMENT.sub(" ", text)
    first = _FIRST.match(plain)
    if first is None:
        return OTHER
    verb, what = first[1].upper(), first[2]
    if what:
        return f"{verb} {what.upper()}"
    table = _TABLE.search(_EXTRACT.sub("(", plain)) if verb in _WITH_TABLE else None
    return f"{verb} {table[1] or table[2]}"[:80] if table else verb[:80]


def totals_of(rows: Iterable[tuple[str, int, float, int]]) -> dict[Key, Total]:
    """Return the server's *rows* (database, number, seconds, calls) by their key."""
    return {Key(database, query): Total(seconds, calls) for database, query, seconds, calls in rows}
