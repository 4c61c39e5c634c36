# SPDX-License-Identifier: Apache-2.0
"""Lets one build at a time work in a build folder; the others wait and say for whom."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from services_demo.stack.toolchain.commands import HEARTBEAT_SECONDS, say, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL_SECONDS = 0.5


@contextmanager
def exclusive(
    folder: Path, *, heartbeat: float = HEARTBEAT_SECONDS
) -> Iterator[Callable[[str], None]]:
    """Hold the folder's lock; yields a function that tells waiting builds what is being done.

    The kernel drops the lock with the process, so one that was killed leaves nothing to clean up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    with path.open("a+", encoding="utf-8") as file:
        _wait_for(file, path, heartbeat)

        def announce(what: str) -> None:
            file.truncate(0)
            file.write(f"process {os.getpid()}, {what} since {time.strftime('%H:%M:%S')}\n")
            file.flush()

        announce("starting")
        yield announce
        file.truncate(0)


def _wait_for(file: IO[str], path: Path, heartbeat: float) -> None:
    next_line = time.monotonic()
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + heartbeat
                holder = path.read_text(encoding="utf-8").strip() or "another build"
                say(f"waiting for another build in {shown(path.parent)}: {holder}")
            time.sleep(POLL_SECONDS)
