# SPDX-License-Identifier: Apache-2.0
"""Bring the stack up in order, and down again."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services_demo.stack import company, infrastructure, layout, monitoring, ports, prepare
from services_demo.stack.control import Control, last_lines, marked, sweep
from services_demo.stack.errors import NotReady, StackError
from services_demo.stack.layout import Layout
from services_demo.stack.program import Program
from services_demo.stack.say import say

_SAY_EVERY = 10.0
_FATAL = {"FATAL", "UNKNOWN"}
#: A program that ends at its start may only have come too early; after this it has not.
_CRASHED = {"BACKOFF", "EXITED"}
_CRASHING = 15.0


def programs(place: Layout) -> list[Program]:
    """Return all programs of the stack at *place*."""
    return [
        *infrastructure.programs(place),
        *monitoring.programs(place),
        *company.programs(place),
        company.traffic(place, os.environ),
    ]


def up() -> Layout:
    """
    Start everything but the traffic; returns when all of it serves.

    Raises:
        StackError: it runs already, a port is taken, or a part does not start.
    """
    folder = layout.folder_from(os.environ)
    with _alone(folder):
        _refuse_second(folder)
        place = layout.new(os.environ)
        _require_built(place)
        ports.require_free(place)
        say(f"files, logs and data: {place.folder}")
        prepare.files(place)
        place.save()
        control = Control(place)
        wanted = programs(place)
        try:
            control.begin(wanted)
            _start(control, place, [program for program in wanted if program.wave == 1])
            prepare.databases(place)
            _start(control, place, [program for program in wanted if program.wave == 2])  # noqa: PLR2004
        except BaseException:
            _end(place)
            raise
    return place


def down() -> None:
    """Stop what `up` started in this folder, and say what was stopped."""
    folder = layout.folder_from(os.environ)
    with _alone(folder):
        place = layout.saved(os.environ)
        if place is None:
            say("nothing runs")
            return
        _end(place)


def running(place: Layout | None) -> Layout:
    """
    Return *place* if its stack runs.

    Raises:
        StackError: it does not.
    """
    if place is None or not Control(place).is_running():
        raise StackError("the stack does not run. Start it with `make demo`.")
    return place


def _end(place: Layout) -> None:
    # An impatient second Ctrl-C must not leave half of the stack behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    began = time.monotonic()
    count = sum(1 for _ in marked(place))
    say(f"stopping {count} processes …")
    Control(place).end(programs(place))
    left = sweep(place)
    if left:
        say("had to end by hand: " + ", ".join(sorted(set(left))))
    place.state_file.unlink(missing_ok=True)
    say(f"all stopped in {time.monotonic() - began:.0f} s; logs stay in {place.logs}")


def _refuse_second(folder: Path) -> None:
    place = layout.saved(os.environ)
    if place is None:
        return
    if Control(place).is_running():
        raise StackError(
            f"the stack in {folder} runs already: Shop {place.url('shop')}, "
            f"Prometheus {place.url('prometheus')}. Nothing was changed. "
            "Stop it with `make down`, or give another STACK_DIR with STACK_PORTS=free."
        )
    left = sweep(place)
    if left:
        say("an earlier run left processes behind; ended: " + ", ".join(sorted(set(left))))


def _require_built(place: Layout) -> None:
    wanted = {Path(program.command[0]) for program in programs(place)}
    missing = [
        path.name for path in wanted if path.is_relative_to(place.build) and not path.exists()
    ]
    if missing:
        raise StackError(
            f"not built yet: {', '.join(sorted(missing))} in {place.build}. Run `make build`."
        )


def _start(control: Control, place: Layout, wave: list[Program]) -> None:
    began = time.monotonic()
    for program in wave:
        control.start(program.name)
    for program in wave:
        _await(control, place, program, began)


def _await(control: Control, place: Layout, program: Program, began: float) -> None:
    """Ask *program* until it is ready; say now and then what is waited for."""
    said = time.monotonic()
    crashed_at: float | None = None
    while True:
        try:
            program.ready()
        except NotReady as seen:
            last = str(seen)
        else:
            say(
                f"{program.name:<14} ready after {time.monotonic() - began:4.1f} s   {program.says}"
            )
            return
        now = time.monotonic()
        state = control.processes()[program.name]["statename"]
        if state in _CRASHED and crashed_at is None:
            crashed_at = now
        gives_up = state in _FATAL or (crashed_at is not None and now - crashed_at > _CRASHING)
        if gives_up or now - began > program.ready_within:
            raise StackError(_failure(place, program, state, last, now - began))
        if now - said > _SAY_EVERY:
            said = now
            say(f"waiting for {program.name} ({now - began:.0f} s): {last}")
        time.sleep(0.2)


def _failure(place: Layout, program: Program, state: str, last: str, seconds: float) -> str:
    log = place.logs / f"{program.name}.log"
    return (
        f"{program.name} ({program.says}) did not become ready in {seconds:.0f} s; "
        f"the supervisor says {state}. Seen last: {last}\n"
        f"Last lines of {log}:\n{last_lines(log, 15)}\n"
        f"Everything was stopped again. Mend what the log says and run `make demo` once more; "
        f"if the machine was busy, that alone may do."
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep two commands from starting or stopping the same stack at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"another command is just starting or stopping the stack in {folder}. "
                "Nothing was changed. Try again when it is done."
            ) from error
        yield
