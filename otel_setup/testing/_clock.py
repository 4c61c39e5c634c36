# SPDX-License-Identifier: Apache-2.0
"""Times and ids that are the same in each run of a test."""

from __future__ import annotations

import itertools
import threading

from opentelemetry.sdk.trace.id_generator import IdGenerator

_NANOSECONDS = 1_000_000_000


class Clock:
    """Starts at 0 and goes on by one second each time that telemetry asks for the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nanoseconds = 0

    @property
    def now(self) -> float:
        """Seconds since the start; looking at it does not move it."""
        return self._nanoseconds / _NANOSECONDS

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        with self._lock:
            self._nanoseconds += round(seconds * _NANOSECONDS)

    def tick(self) -> int:
        """Let a second pass and return the time in nanoseconds."""
        with self._lock:
            self._nanoseconds += _NANOSECONDS
            return self._nanoseconds


class CountedIds(IdGenerator):
    """Numbers traces and spans from 1 on."""

    def __init__(self) -> None:
        self._traces, self._spans = itertools.count(1), itertools.count(1)

    def generate_trace_id(self) -> int:
        """Return the next trace's number."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """Return the next span's number."""
        return next(self._spans)
