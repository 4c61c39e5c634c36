# SPDX-License-Identifier: Apache-2.0
"""
Have telemetry sent at once, when waiting for the next export would cost somebody sleep.

Whoever counts a failure calls `hurry`. It costs a comparison and never waits: a thread of its
own exports. Failures that come together are sent together, so that a storm of them costs a
bounded number of exports, and a Collector that is away costs the application nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from otel_setup._guard import quiet

#: Least seconds between two exports that somebody asked for.
PAUSE_SECONDS = 0.25


class Courier:
    """
    Calls *metrics* when it is asked to, and *traces* a moment later; at most every *pause* seconds.

    *metrics* tells whether they arrived: without, traces would only wait for the same Collector.
    """

    def __init__(
        self,
        metrics: Callable[[], bool],
        traces: Callable[[], object],
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._metrics = metrics
        self._traces = traces
        self._pause = pause
        self._ended = False
        self._asked = False
        self._begin()
        # Threads do not survive a fork, and what the parent was asked for is not the child's.
        os.register_at_fork(after_in_child=self._begin)

    def ask(self) -> None:
        """Have an export begin; what was recorded before the call is in it."""
        # No lock: this may be a signal's handler that interrupted itself. Asked twice, it is
        # sent twice, which the pause bounds.
        if not self._asked and not self._ended:
            self._asked = True
            self._line.put(None)

    def end(self) -> None:
        """Send nothing more: the end of the process has exports of its own."""
        self._ended = True
        self._line.put(None)

    def _begin(self) -> None:
        self._asked = False
        self._line: SimpleQueue[None] = SimpleQueue()
        if not self._ended:
            threading.Thread(target=self._run, name="otel_setup_urgent", daemon=True).start()

    def _run(self) -> None:
        line = self._line
        while True:
            line.get()
            if self._ended:
                return
            # Before the export: what is recorded from here on may not be in it.
            self._asked = False
            arrived = False
            with quiet("sending metrics at once"):
                arrived = self._metrics()
            # The span in which it failed goes on until the failure is dealt with.
            time.sleep(self._pause)
            if arrived:
                with quiet("sending traces at once"):
                    self._traces()


_courier: Courier | None = None


def begin(metrics: Callable[[], bool], traces: Callable[[], object]) -> Courier:
    """Have `hurry` call *metrics* and *traces* from now on."""
    global _courier  # noqa: PLW0603 - one per process, like the providers
    _courier = Courier(metrics, traces)
    return _courier


def hurry() -> None:
    """
    Have metrics and finished spans exported at once, from any thread; it never waits or raises.

    Without providers, and with a page of metrics that is fetched, there is nothing to hurry.
    """
    courier = _courier
    if courier is not None:
        courier.ask()
