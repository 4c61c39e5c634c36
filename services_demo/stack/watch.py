# SPDX-License-Identifier: Apache-2.0
"""Stay beside the running stack and name each part that ends and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from services_demo.stack.control import Control, ProcessInfo, last_lines
from services_demo.stack.errors import NotReady, StackError
from services_demo.stack.layout import Layout
from services_demo.stack.program import Program
from services_demo.stack.say import say

_SECONDS = 1.0
_SAY_EVERY = 10.0


class SupervisorGoneError(StackError):
    """Nobody keeps the stack alive any more."""


class Watch:
    """Compares what the supervisor says now with what it said before."""

    def __init__(self, place: Layout, programs: list[Program]) -> None:
        self._place = place
        self._programs = {program.name: program for program in programs}
        self._control = Control(place)
        self._seen = self._control.processes()
        self._ended_at: dict[str, float] = {}
        self._said_at: dict[str, float] = {}

    def look(self) -> None:
        """
        Say what has changed since the last look.

        Raises:
            SupervisorGoneError: somebody stopped or killed the supervisor.
        """
        try:
            now = self._control.processes()
        except OSError as error:
            raise SupervisorGoneError(
                "the supervisor is gone: somebody ran `make down`, or it was killed. "
                "Run `make down` to be sure that nothing is left."
            ) from error
        for name, info in now.items():
            self._compare(name, self._seen.get(name), info)
        self._seen = now
        for name in list(self._ended_at):
            if now[name]["statename"] == "RUNNING":
                self._ask(name)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Look once a second while the block runs; that the supervisor is gone ends it quietly."""
        done = threading.Event()

        def run() -> None:
            with suppress(SupervisorGoneError):
                while not done.wait(_SECONDS):
                    self.look()

        thread = threading.Thread(target=run, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def stay(self) -> None:
        """
        Look once a second, for ever.

        Raises:
            SupervisorGoneError: somebody stopped or killed the supervisor.
        """
        while True:
            self.look()
            time.sleep(_SECONDS)

    def _compare(self, name: str, before: ProcessInfo | None, now: ProcessInfo) -> None:
        if before is None or (before["pid"], before["statename"]) == (
            now["pid"],
            now["statename"],
        ):
            return
        if now["statename"] in {"STOPPING", "STOPPED"}:
            return  # `make down`, which says so itself
        if before["pid"] and before["pid"] != now["pid"]:
            if name not in self._ended_at:
                say(f"{name} (process {before['pid']}) has ended; it is started again")
            self._ended_at.setdefault(name, time.monotonic())
        if now["statename"] == "FATAL":
            self._ended_at.pop(name, None)
            log = self._place.logs / f"{name}.log"
            say(
                f"{name} does not start any more; the other parts go on. Last lines of {log}:\n"
                + last_lines(log, 8)
            )

    def _ask(self, name: str) -> None:
        """Say that *name* is back, once it really serves."""
        try:
            self._programs[name].ready()
        except NotReady as seen:
            waited = time.monotonic() - self._ended_at[name]
            if waited - self._said_at.get(name, 0.0) > _SAY_EVERY:
                self._said_at[name] = waited
                say(f"waiting for {name} ({waited:.0f} s): {seen}")
            return
        self._said_at.pop(name, None)
        seconds = time.monotonic() - self._ended_at.pop(name)
        say(f"{name} serves again after {seconds:.0f} s (process {self._seen[name]['pid']})")
