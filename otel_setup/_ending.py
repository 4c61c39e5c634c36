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
from types import FrameType, ModuleType

import wrapt

_logger = logging.getLogger("otel_setup")


class Ending:
    """
    Runs *steps* once: when the process ends, when SIGTERM ends it, or when `run` is called.

    Each step is called with the seconds that it may take; *before* runs ahead of them all, and
    *after* learns which of them were done in time.
    """

    def __init__(
        self,
        steps: Sequence[Callable[[float], object]],
        timeout: float,
        *,
        before: Callable[[], object] = lambda: None,
        after: Callable[[Sequence[bool]], object] = lambda _done: None,
    ) -> None:
        self._steps = steps
        self._timeout = timeout
        self._before = before
        self._after = after
        self._wait()
        # Threads do not survive a fork, and a child has telemetry of its own to end.
        os.register_at_fork(after_in_child=self._wait)
        atexit.register(self.run)
        wrapt.when_imported("multiprocessing.util")(self._in_children_of)
        for module in ("uvicorn.workers", "uvicorn_worker._workers"):
            wrapt.when_imported(module)(self._after_the_reset_of)
        self._take(signal.SIGTERM)

    def run(self, timeout: float | None = None) -> bool:
        """Run the steps now; True when all were done within *timeout* seconds."""
        atexit.unregister(self.run)
        if timeout is not None:
            self._timeout = timeout
        first = not self._begin.is_set()
        if first:
            _logged(self._before)
        self._begin.set()
        done = _done(self._threads, self._timeout)
        if first:
            _logged(lambda: self._after(done))
        return all(done)

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

    def _take(self, *numbers: signal.Signals) -> None:
        """
        Run before each of these signals ends the process.

        Python ends without atexit on SIGTERM, which is what Docker, systemd and supervisor
        send. uvicorn raises it again after its own clean end. A program's handler stays.
        """
        if threading.current_thread() is threading.main_thread():
            for number in numbers:
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.run()
        # The process still ends by the signal, so that its parent sees what it expects.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _in_children_of(self, multiprocessing_util: ModuleType) -> None:
        """Run in forked children of multiprocessing too: they leave Python without atexit."""
        parent = os.getpid()

        def register(ending: Ending) -> None:
            if os.getpid() != parent:  # one that was spawned ends like any program
                # Far behind multiprocessing's own, whose queues still send what they hold.
                multiprocessing_util.Finalize(None, ending.run, exitpriority=-1000)

        multiprocessing_util.register_after_fork(self, register)

    def _after_the_reset_of(self, uvicorns: ModuleType) -> None:
        """Come back after uvicorn's worker for gunicorn has set all signals to their defaults."""

        def init_signals(
            reset: Callable[[], None], _worker: object, _args: object, _kwargs: object
        ) -> None:
            reset()
            self._take(signal.SIGTERM, signal.SIGINT)

        wrapt.wrap_function_wrapper(uvicorns, "UvicornWorker.init_signals", init_signals)


def together(steps: Sequence[Callable[[], object]], timeout: float) -> bool:
    """Run all *steps* at once; True when all were done within *timeout* seconds."""
    threads = [threading.Thread(target=_logged, args=(step,), daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    return all(_done(threads, timeout))


def _done(threads: list[threading.Thread], timeout: float) -> list[bool]:
    """Wait for *threads*; tell of each whether it was done within *timeout* seconds."""
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [not thread.is_alive() for thread in threads]


def _logged(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - the end of the process must go on
        _logger.warning("ending telemetry: %s: %s", type(error).__name__, error)
