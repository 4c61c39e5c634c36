# SPDX-License-Identifier: Apache-2.0
"""
Do the last work of a process, within a time that is given.

Work that waits for the network is done by daemon threads, all at once: one that hangs
in a dead connection is left behind and does not keep the process.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

_logger = logging.getLogger("otel_setup")


class Ending:
    """
    Runs *steps* once: when the process ends, when SIGTERM ends it, or when `run` is called.

    Each step is called with the seconds that it may take.
    """

    def __init__(self, steps: Sequence[Callable[[float], object]], timeout: float) -> None:
        self._steps = steps
        self._timeout = timeout
        self._wait()
        # Threads do not survive a fork, and a child has telemetry of its own to end.
        os.register_at_fork(after_in_child=self._wait)
        atexit.register(self.run)
        # Python ends without atexit on SIGTERM, which is what Docker, systemd and supervisor
        # send. uvicorn raises it again after its own clean end. A program's handler stays.
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def run(self, timeout: float | None = None) -> bool:
        """Run the steps now; True when all were done within *timeout* seconds."""
        atexit.unregister(self.run)
        if timeout is not None:
            self._timeout = timeout
        self._begin.set()
        return _done(self._threads, self._timeout)

    def _wait(self) -> None:
        """Start the threads, which wait: Python 3.12 starts none while a process ends."""
        self._begin = threading.Event()
        self._threads = [
            threading.Thread(target=self._step, args=(step,), name="otel_setup_end", daemon=True)
            for step in self._steps
        ]
        for thread in self._threads:
            thread.start()

    def _step(self, step: Callable[[float], object]) -> None:
        self._begin.wait()
        _logged(lambda: step(self._timeout))

    def _on_sigterm(self, number: int, _frame: FrameType | None) -> None:
        self.run()
        # The process still ends by the signal, so that its parent sees what it expects.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def together(steps: Sequence[Callable[[], object]], timeout: float) -> bool:
    """Run all *steps* at once; True when all were done within *timeout* seconds."""
    threads = [threading.Thread(target=_logged, args=(step,), daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    return _done(threads, timeout)


def _done(threads: list[threading.Thread], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _logged(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - the end of the process must go on
        _logger.warning("ending telemetry: %s: %s", type(error).__name__, error)
