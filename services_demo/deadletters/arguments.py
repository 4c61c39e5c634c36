# SPDX-License-Identifier: Apache-2.0
"""The command line of the dead letters: what may be typed, and what is said if it is wrong."""

from __future__ import annotations

import argparse
import re

from services_demo.deadletters.store import Filter

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TRACE = re.compile(r"[0-9a-f]{32}")
#: A bigserial's end.
_LAST = (1 << 63) - 1

_EPILOG = """\
exit codes: 0 done; 1 something was not done, as it says; 2 a wrong command line;
3 the database or the broker cannot be used.

CRM_DATABASE_URL says where the table is; replay needs AMQP_URL, too.
"""


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    top = argparse.ArgumentParser(
        prog="python -m services_demo.deadletters",
        description="Messages that no service could handle: look at them, send them again, or "
        "drop them. Nothing is deleted.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _list(commands.add_parser("list", help="those that wait, the oldest first"))
    _show(commands.add_parser("show", help="all about one"))
    _replay(commands.add_parser("replay", help="back to the queue in which they died"))
    _drop(commands.add_parser("drop", help="note that they need not be handled"))
    return top


def chosen(given: argparse.Namespace) -> Filter:
    """Return which dead letters the filters of the command line mean."""
    return Filter(
        queue=given.queue,
        reason=given.reason,
        event=given.event,
        trace=given.trace,
        older_than=given.older_than,
        state=getattr(given, "state", "waiting"),
    )


def _list(parser: argparse.ArgumentParser) -> None:
    _filters(parser)
    states = parser.add_mutually_exclusive_group()
    states.add_argument(
        "--state",
        choices=("waiting", "replayed", "dropped"),
        default="waiting",
        help="default: waiting",
    )
    states.add_argument(
        "--any-state", action="store_const", const=None, dest="state", help="all of them"
    )
    parser.add_argument("--limit", type=_count, default=50, metavar="N", help="default: 50")
    parser.add_argument("--json", action="store_true", help="one JSON array instead of a table")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=_identity)
    parser.add_argument(
        "--body",
        action="store_true",
        help="the body as it is; without this, values that may be personal are left out",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _replay(parser: argparse.ArgumentParser) -> None:
    _choice(parser)
    parser.add_argument("--to", metavar="QUEUE", help="another queue than the one it died in")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")


def _drop(parser: argparse.ArgumentParser) -> None:
    _choice(parser)
    parser.add_argument(
        "--because",
        required=True,
        type=_words,
        metavar="WHY",
        help="why it need not be handled; kept with the message",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be dropped")


def _choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", type=_identity, metavar="ID", help="these, or by filter:")
    _filters(parser)
    parser.add_argument("--all", action="store_true", help="every one that waits")
    parser.add_argument(
        "--limit", type=_count, default=1000, metavar="N", help="at most so many; default: 1000"
    )


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", help="where it died, such as mes.orders")
    parser.add_argument("--reason", help="why it died: rejected, delivery_limit, expired or maxlen")
    parser.add_argument("--event", help="what it says, such as order.placed")
    parser.add_argument("--trace", type=_trace, metavar="ID", help="of this trace")
    parser.add_argument(
        "--older-than", type=_duration, metavar="TIME", help="died before, such as 90s, 15m, 2h, 1d"
    )


def _identity(typed: str) -> int:
    if not typed.isdecimal() or not 0 < int(typed) <= _LAST:
        raise argparse.ArgumentTypeError(
            f"{typed!r}: expected the number of a dead letter, from the first column of `list`"
        )
    return int(typed)


def _count(typed: str) -> int:
    if not typed.isdecimal() or not 0 < int(typed) <= _LAST:
        raise argparse.ArgumentTypeError(f"{typed!r}: expected a number from 1 on")
    return int(typed)


def _duration(typed: str) -> float:
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", typed)
    if not found:
        raise argparse.ArgumentTypeError(
            f"{typed!r}: expected a number and a unit, such as 90s, 15m, 2h or 1d"
        )
    return float(found[1]) * _SECONDS[found[2]]


def _trace(typed: str) -> str:
    if not _TRACE.fullmatch(typed.lower()):
        raise argparse.ArgumentTypeError(
            f"{typed!r}: expected the 32 hexadecimal digits of a trace id"
        )
    return typed.lower()


def _words(typed: str) -> str:
    if not typed.strip() or "\0" in typed:
        raise argparse.ArgumentTypeError(f"{typed!r}: say why, in a few words")
    return typed.strip()
