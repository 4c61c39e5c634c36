# SPDX-License-Identifier: Apache-2.0
"""
A worker process: its parts run in threads and live and die together.

A part that dies takes the process with it, because a process that runs but does only
half of its work is noticed by nobody. Whoever started it starts it again.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from typing import Protocol

log = logging.getLogger(__name__)

_EXIT_SECONDS = 3.0


class Part(Protocol):
    """Something that runs until it is told to stop."""

    name: str

    def run(self, stop: threading.Event) -> None:
        """Run until *stop* is set."""


def run_parts(*parts: Part) -> int:
    """Run *parts* until SIGTERM or Ctrl-C; return the exit code, 1 if one ended by itself."""
    stop = threading.Event()
    failed = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def run(part: Part) -> None:
        try:
            part.run(stop)
        except Exception:
            log.exception("%s died", part.name)
        if not stop.is_set():
            log.error("%s ended, so the process ends too", part.name)
            failed.set()
            stop.set()

    threads = [
        threading.Thread(target=run, args=(part,), name=part.name, daemon=True) for part in parts
    ]
    for thread in threads:
        thread.start()
    log.info("%s: running", ", ".join(part.name for part in parts))
    while not stop.wait(1.0):  # a bare wait() would not let the signal handler run
        pass
    deadline = time.monotonic() + _EXIT_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = [thread.name for thread in threads if thread.is_alive()]
    if late:
        log.warning("did not stop within %.0f s: %s", _EXIT_SECONDS, ", ".join(late))
    return 1 if failed.is_set() else 0


def configure_logging() -> None:
    """Write one line per event to standard error, the way the servers do."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # It logs an error with every try to connect; Outage says it once.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
