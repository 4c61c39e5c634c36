# SPDX-License-Identifier: Apache-2.0
"""Runs the tools that do the work: output to a log, signs of life, retries, a clean stop.

A `CommandError` says what failed; a `BuildError` is the complete text for the person who waits.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEARTBEAT_SECONDS = 15.0
BACK_OFF_SECONDS = (2.0, 5.0, 10.0)  # before the second, third and fourth try
LOG_LINES_SHOWN = 15
STOP_SECONDS = 5.0


class BuildError(Exception):
    """A step failed; the message says which, why and what to do."""


class CommandError(Exception):
    """A command ended with an error; `explain` makes the user's message of it."""

    def __init__(self, command: Sequence[str], cwd: Path, reason: str) -> None:
        """Keep what is needed to tell the user which command it was."""
        super().__init__(reason)
        self.command, self.cwd, self.reason = command, cwd, reason


def say(line: str) -> None:
    """Print one progress line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def shown(path: Path) -> str:
    """Return the path as the user would type it: relative when below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a log that say something."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        text = file.read().decode(errors="replace").replace("\r", "\n")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]


def explain(what: str, error: CommandError, log: Path, fix: str) -> str:
    """Compose the message for a failed command, with the end of its log and what to do."""
    return "\n".join(
        [
            f"{what}: failed, {error.reason}.",
            f"  command: {shlex.join(error.command)}",
            f"  in:      {shown(error.cwd)}",
            f"  last lines of {shown(log)}:",
            *(f"    | {line}" for line in tail(log, LOG_LINES_SHOWN)),
            f"  To do: {fix}",
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs commands for one component, all into one log."""

    name: str
    log: Path
    heartbeat: float = HEARTBEAT_SECONDS
    sleep: Callable[[float], None] = time.sleep

    def start_log(self) -> None:
        """Begin an empty log, so that it tells about this run only."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def run(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Run one command to its end; raise `CommandError` when it fails."""
        with self.log.open("ab") as log:
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.flush()
            try:
                # A session of its own: Ctrl-C reaches only us, and we stop all of it.
                child = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                log.flush()
                raise CommandError(
                    command, cwd, f"it could not be started ({error.strerror})"
                ) from error
        code = self._wait(child)
        if code != 0:
            reason = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            raise CommandError(command, cwd, reason)

    def download(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Run a command that fetches, and try again when it fails; what it got is kept."""
        for pause in BACK_OFF_SECONDS:
            try:
                return self.run(command, cwd=cwd, env=env)
            except CommandError as error:
                again = f"trying again in {pause:.0f} s"
                say(f"      {self.name}: download failed ({error.reason}), {again}")
                self.sleep(pause)
        return self.run(command, cwd=cwd, env=env)

    def ask(self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> str:
        """Run a quick command and return what it printed."""
        answer = subprocess.run(
            command, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False
        )
        with self.log.open("a") as log:
            log.write(f"$ {shlex.join(command)}\n{answer.stdout}{answer.stderr}")
        if answer.returncode != 0:
            raise CommandError(command, cwd, f"exit code {answer.returncode}")
        return answer.stdout.strip()

    def _wait(self, child: subprocess.Popen[bytes]) -> int:
        started = time.monotonic()
        try:
            while True:
                try:
                    return child.wait(timeout=self.heartbeat)
                except subprocess.TimeoutExpired:
                    last = tail(self.log, 1)[0][:100]
                    say(f"      {self.name}: {time.monotonic() - started:.0f} s … {last}")
        except BaseException:
            _stop(child)
            raise


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a command and what it started: politely, then by force."""
    for wanted in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, wanted)
            child.wait(timeout=STOP_SECONDS)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        break
    child.wait()
