# SPDX-License-Identifier: Apache-2.0
"""The command line of the stack: ``python -m services_demo.stack demo|up|down|…``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from services_demo.stack import company, demo, launch, layout, status
from services_demo.stack.errors import StackError
from services_demo.stack.say import say


def main() -> int:
    """Do what the command line says; 0 when it was done."""
    arguments = _arguments()
    try:
        return int(arguments.run(arguments))
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services_demo.stack", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("demo", help="start, run orders through, show what arrives, stay up")
    one.add_argument(
        "--check", action="store_true", help="stop afterwards; 0 only if every served row has data"
    )
    one.set_defaults(run=lambda given: demo.run(check=given.check))
    commands.add_parser("up", help="start everything and return").set_defaults(run=_up)
    commands.add_parser("down", help="stop what was started").set_defaults(run=_down)
    commands.add_parser("status", help="what runs, since when, with how much memory").set_defaults(
        run=_status
    )
    logs = commands.add_parser("logs", help="last lines of the logs")
    logs.add_argument("name", nargs="?", help="one part only")
    logs.add_argument("--follow", action="store_true", help="go on as lines come")
    logs.set_defaults(run=_logs)
    letters = commands.add_parser("dead-letters", help="list, show, replay or drop dead letters")
    letters.add_argument("words", nargs=argparse.REMAINDER, help="such as: list --json")
    letters.set_defaults(run=_dead_letters)
    slow = commands.add_parser("slow", help="make the operators' list of orders slow, for a while")
    slow.add_argument("words", nargs=argparse.REMAINDER, help="such as: queries --minutes 5")
    slow.set_defaults(run=_slow)
    return parser.parse_args()


def _up(_given: argparse.Namespace) -> int:
    launch.up()
    return 0


def _down(_given: argparse.Namespace) -> int:
    launch.down()
    return 0


def _status(_given: argparse.Namespace) -> int:
    status.show(launch.running(layout.saved(os.environ)))
    return 0


def _logs(given: argparse.Namespace) -> int:
    folder = layout.folder_from(os.environ) / "logs"
    files = sorted(folder.glob(f"{given.name or '*'}.log"))
    if not files:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none yet"
        raise StackError(f"no log {given.name!r} in {folder}. There are: {known}.")
    tail = ["tail", "-n", "20", *(["-F"] if given.follow else []), *map(str, files)]
    return subprocess.run(tail, check=False).returncode


def _dead_letters(given: argparse.Namespace) -> int:
    place = layout.saved(os.environ)
    if place is None:
        raise StackError("nothing runs, so there are no dead letters. Start it with `make demo`.")
    command, environment = company.dead_letters(place, given.words)
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def _slow(given: argparse.Namespace) -> int:
    place = layout.saved(os.environ)
    if place is None:
        raise StackError("nothing runs, so nothing can be slow. Start it with `make demo`.")
    command, environment = company.slow(place, given.words)
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        say("")
