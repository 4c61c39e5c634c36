# SPDX-License-Identifier: Apache-2.0
"""
When the next order is due.

Locust's own pacing gives every user a rhythm, so a slow shop would get fewer orders, exactly when
the load should show that it is slow. Here all customers share one clock: order number n is due
n * 60/rate seconds after the first, however long the others take.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class OrderClock:
    """Hands out evenly spaced times; `missed` counts those that no customer was free to take."""

    # A later order is given up: after an outage the shop is not met by a flood of all it missed.
    GIVE_UP_AFTER_SECONDS = 10.0

    def __init__(self, orders_per_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._interval = 60.0 / orders_per_minute
        self._now = now
        self._next: float | None = None
        self.missed = 0

    def take(self) -> float:
        """Return when the caller's order is due, in the time of `now`; it may be over already."""
        now = self._now()
        due = now if self._next is None else self._next
        late = now - self.GIVE_UP_AFTER_SECONDS - due
        if late > 0:
            given_up = int(late / self._interval) + 1
            self.missed += given_up
            due += given_up * self._interval
        self._next = due + self._interval
        return due

    def seconds_until(self, due: float) -> float:
        """Return how long it is until then, 0 if it has passed."""
        return max(0.0, due - self._now())
