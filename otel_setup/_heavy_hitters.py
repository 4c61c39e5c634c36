# SPDX-License-Identifier: Apache-2.0
"""
Find the heaviest of countless keys in bounded memory: Space-Saving, with decay.

Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data
Streams", 2005. A library such as datasketches brings numpy and compiled code for what is here,
and does not forget with time.

Of *m* places, with a total weight of N so far: every key that weighs more than N/m has one, and
``estimate - error <= true weight <= estimate`` with ``error <= N/m`` for each that has.
What was seen a half-life ago weighs half, on both sides of these inequalities.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: Growth of the present weight after which all are scaled down; far from the end of floats.
_HALF_LIVES = 32.0


class HeavyHitters(Generic[K]):
    """Counts keys in at most *places* places; not safe for threads by itself."""

    def __init__(self, places: int, half_life: float) -> None:
        self._places = places
        self._half_life = half_life
        #: key → [estimate, error], in units of `_epoch`.
        self._counts: dict[K, list[float]] = {}
        #: A lower bound of each estimate; brought up to date only when a place is needed.
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0
        self._total = 0.0
        self._epoch = 0.0

    def add(self, key: K, now: float) -> None:
        """Count *key* once, at *now* (seconds of a clock that never goes back)."""
        # The present counts for more, instead of all of the past for less: nothing to scale.
        weight = self._weight(now)
        self._total += weight
        count = self._counts.get(key)
        if count is not None:
            count[0] += weight
            return
        self._serial += 1  # keys themselves need not be comparable
        if len(self._counts) < self._places:
            self._counts[key] = [weight, 0.0]
            heapq.heappush(self._heap, (weight, self._serial, key))
        elif self._places:
            least = self._take_lightest()
            self._counts[key] = [least + weight, least]
            heapq.heapreplace(self._heap, (least + weight, self._serial, key))

    def total(self, now: float) -> float:
        """Return the weight of all that was counted, as it counts at *now*."""
        return self._total / self._weight(now)

    def estimate(self, key: K, now: float) -> float:
        """Return the most that *key* can weigh at *now*; 0 for one without a place."""
        return self._counts[key][0] / self._weight(now) if key in self._counts else 0.0

    def guaranteed(self, now: float) -> Iterator[tuple[K, float]]:
        """Yield each key that has a place, with the least that it weighs at *now*."""
        weight = self._weight(now)
        for key, (estimate, error) in self._counts.items():
            yield key, (estimate - error) / weight

    def _take_lightest(self) -> float:
        """Take the place of the lightest key, leave it on top of the heap, return its estimate."""
        while True:
            bound, serial, key = self._heap[0]
            estimate = self._counts[key][0]
            if estimate <= bound:
                del self._counts[key]
                return estimate
            heapq.heapreplace(self._heap, (estimate, serial, key))

    def _weight(self, now: float) -> float:
        half_lives = (now - self._epoch) / self._half_life
        if half_lives > _HALF_LIVES:
            self._scale(math.exp2(-half_lives))
            self._epoch = now
            return 1.0
        return math.exp2(half_lives)

    def _scale(self, factor: float) -> None:
        self._total *= factor
        for count in self._counts.values():
            count[0] *= factor
            count[1] *= factor
        # The order stays; bounds are lowered with what they bound.
        self._heap = [(bound * factor, serial, key) for bound, serial, key in self._heap]
