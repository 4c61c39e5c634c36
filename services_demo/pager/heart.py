# SPDX-License-Identifier: Apache-2.0
"""
The dead man's switch: monitoring that is alive says so all the time.

An alert that always fires travels the whole way, from Prometheus over Alertmanager to here.
When it no longer comes, the way is broken, and no other alert would come either.
"""

from __future__ import annotations

import logging
import threading
from typing import Literal

log = logging.getLogger(__name__)

State = Literal["waiting", "alive", "silent"]


class Heart:
    """Knows when the last heartbeat came; times are seconds since 1970."""

    def __init__(self, bound: float, now: float) -> None:
        self.bound = bound
        self._lock = threading.Lock()
        self._began = now
        self._beat_at: float | None = None
        self._said: State = "waiting"

    def beat(self, now: float) -> None:
        """Note a heartbeat."""
        with self._lock:
            self._beat_at = now

    def age(self, now: float) -> float | None:
        """Return the seconds since the last heartbeat; None when there was none."""
        with self._lock:
            return None if self._beat_at is None else max(0.0, now - self._beat_at)

    def state(self, now: float) -> State:
        """Return ``silent`` when nothing came for longer than the bound, also from the start."""
        age = self.age(now)
        if (now - self._began if age is None else age) > self.bound:
            return "silent"
        return "waiting" if age is None else "alive"

    def say(self, now: float) -> None:
        """Log each change of the state as one line."""
        state = self.state(now)
        if state == self._said:
            return
        if state == "silent":
            log.error("MONITORING IS SILENT: no heartbeat for more than %.0f s", self.bound)
        else:
            log.info("monitoring is %s", state)
        self._said = state
