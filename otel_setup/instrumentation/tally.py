# SPDX-License-Identifier: Apache-2.0
"""
Counts that are kept in a plain dict and read when metrics are exported.

A counter of the SDK costs about 10 µs each time, and a message has several. A forked child
begins anew: what its parent counted, its parent reports.
"""

from __future__ import annotations

import threading
import weakref

from otel_setup.catalogue.model import Counter
from otel_setup.instruments import Observations

#: As many series as the SDK lets one instrument have.
_MOST = 2000

_all: weakref.WeakSet[Tally] = weakref.WeakSet()


class Tally:
    """The counts of *entry* by the values of *names*, in their order; an empty one is left out."""

    def __init__(self, entry: Counter, *names: str) -> None:
        self.entry = entry
        self._names = names
        self.forget()
        _all.add(self)

    def add(self, amount: int, *values: str) -> None:
        """Add *amount* to the count of *values*."""
        with self._adding:
            if values not in self._counts and len(self._counts) >= _MOST:
                self._more += amount
            else:
                self._counts[values] = self._counts.get(values, 0) + amount

    def read(self) -> Observations:
        """Return all counts, with their labels."""
        with self._adding:
            counts, more = list(self._counts.items()), self._more
        found: list[tuple[float, dict[str, str]]] = [
            (count, {name: value for name, value in zip(self._names, values, strict=True) if value})
            for values, count in counts
        ]
        if more:
            # As the SDK counts what exceeds its limit.
            found.append((more, {"otel.metric.overflow": "true"}))
        return found

    def forget(self) -> None:
        """Begin anew; another thread of a parent may have held the lock."""
        self._adding = threading.Lock()
        self._counts: dict[tuple[str, ...], int] = {}
        self._more = 0


def forget() -> None:
    """Have all of them begin anew."""
    for tally in _all:
        tally.forget()
