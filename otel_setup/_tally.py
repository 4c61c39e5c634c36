# SPDX-License-Identifier: Apache-2.0
"""
Count requests exactly for the few users who have a series, and all others together.

Who has a series is decided when the series are read, never inside a request. A new one is
reported as 0 before it counts, so that Prometheus sees its whole rise; one that ends is reported
for some minutes more, so that a lost export loses nothing. Every request is counted in exactly
one series: their rises always add up to the number of requests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from otel_setup._heavy_hitters import HeavyHitters

#: A user, as the pseudonym and the group that his series has.
User = tuple[str, str]

#: The pseudonym of all users together who have no series.
OTHER = "other"

#: Places of the sketch for each series: an estimate is wrong by a tenth of one series' fair share.
PLACES_PER_SERIES = 10
#: Seconds after which a request counts half for who is among the busiest.
HALF_LIFE = 600.0
#: A user gets a series for this share of the requests, as a multiple of the error bound,
_SHARE = 2.0
#: and ten of them (less what floats lose), so that the first of a quiet hour is nobody special;
_REQUESTS = 9.99
#: with no series free, for this many times what the quietest one has.
_LOUDER = 2.0
#: How many series may end at a time, and for how many seconds each is reported after.
LEAVING = 4
LINGER = 300.0


@dataclass(slots=True)
class _Series:
    count: int = 0
    #: When it ended; None while it counts.
    ended: float | None = None


class Tally:
    """At most *most* users with a series of their own, `LEAVING` that end, and the rest."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._busiest: HeavyHitters[User] = HeavyHitters(most * PLACES_PER_SERIES, HALF_LIFE)
        self._series: dict[User, _Series] = {}
        #: group → requests of users without a series.
        self._others: dict[str, int] = {}

    def add(self, pseudonym: str | None, group: str) -> None:
        """Count one request; without a pseudonym it is one of the others."""
        with self._lock:
            if pseudonym is not None and self._most:
                user = (pseudonym, group)
                self._busiest.add(user, self._clock())
                series = self._series.get(user)
                if series is not None and series.ended is None:
                    series.count += 1
                    return
            self._others[group] = self._others.get(group, 0) + 1

    def read(self) -> list[tuple[User, int]]:
        """Return the total of every series, after deciding which begin and which end."""
        with self._lock:
            if self._most:
                self._choose(self._clock())
            own = [(user, series.count) for user, series in self._series.items()]
            return [*own, *(((OTHER, group), count) for group, count in self._others.items())]

    def _choose(self, now: float) -> None:
        for user, series in list(self._series.items()):
            if series.ended is not None and now - series.ended >= LINGER:
                del self._series[user]
        counting = {user for user, series in self._series.items() if series.ended is None}
        leaving = len(self._series) - len(counting)
        # Lightest last, to be taken from the end.
        quiet = sorted(counting, key=lambda user: self._busiest.estimate(user, now), reverse=True)
        for user, weight in self._candidates(now):
            if len(counting) >= self._most:
                if not quiet or leaving >= LEAVING:
                    return
                if weight < _LOUDER * self._busiest.estimate(quiet[-1], now):
                    return
                weakest = quiet.pop()
                self._series[weakest].ended = now
                counting.discard(weakest)
                leaving += 1
            self._series[user] = _Series()
            counting.add(user)

    def _candidates(self, now: float) -> Iterator[tuple[User, float]]:
        """Yield who deserves a series and has none, heaviest first, with his least weight."""
        share = _SHARE * self._busiest.total(now) / (self._most * PLACES_PER_SERIES)
        least = max(_REQUESTS, share)
        found = [
            (user, weight)
            for user, weight in self._busiest.guaranteed(now)
            if weight >= least and user not in self._series
        ]
        yield from sorted(found, key=lambda each: -each[1])
