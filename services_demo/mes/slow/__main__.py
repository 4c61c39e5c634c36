# SPDX-License-Identifier: Apache-2.0
"""The command: ``python -m services_demo.mes.slow [CAUSE]``; MES_DATABASE_URL says where."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import psycopg

from services_demo.configuration import ConfigurationError, DatabaseUrl, ServiceSettings, load
from services_demo.database import CONNECT, Connection
from services_demo.mes.slow.switch import Cause, Setting, read, turn_off, turn_on

_OFF = "off"
_MINUTES, _MOST_MINUTES = 10.0, 120.0
_WHAT = {
    Cause.POOL: "something keeps the pool's connections, and requests wait for one",
    Cause.QUERIES: "the list asks once for each order",
    Cause.STATEMENT: "the list's query sorts a large join",
    Cause.LOCK: "somebody locks the table that the list reads",
    Cause.PAGE: "the list reads thousands of rows to show twenty",
}
_UNUSABLE = 3


class _Settings(ServiceSettings):
    mes_database_url: DatabaseUrl


def main(arguments: Sequence[str]) -> int:
    """Set the switch, or say what it is set to; return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        with psycopg.connect(load(_Settings).mes_database_url, **CONNECT) as connection:
            setting = _done(connection, given.cause, given.minutes)
    except ConfigurationError as error:
        text = str(error)
    except psycopg.errors.UndefinedTable:
        text = "There is no switch yet. Start the MES first."
    except psycopg.Error as error:
        text = f"The MES's database cannot be used: {' '.join(str(error).split())}"
    else:
        sys.stdout.write(_said(setting))
        return 0
    sys.stderr.write(f"{text}\n")
    return _UNUSABLE


def _done(connection: Connection, cause: str | None, minutes: float) -> Setting | None:
    if cause == _OFF:
        turn_off(connection)
    elif cause is not None:
        return turn_on(connection, Cause(cause), minutes)
    return read(connection)


def _said(setting: Setting | None) -> str:
    if setting is None:
        return "off: the list of orders is as fast as it can be\n"
    ends = f"{setting.ends_at.astimezone():%H:%M:%S}"
    return f"{setting.cause} until {ends}: {_WHAT[setting.cause]}\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services_demo.mes.slow",
        description="Make the operators' list of orders slow, for everybody, for a while.",
        epilog="causes:\n" + "".join(f"  {each:<10} {_WHAT[each]}\n" for each in Cause),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "cause",
        nargs="?",
        choices=(*Cause, _OFF),
        metavar="CAUSE",
        help=f"one of {', '.join((*Cause, _OFF))}; without it, say what is set",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=_MINUTES,
        metavar="N",
        help=f"how long; default: {_MINUTES:g}, {_MOST_MINUTES:g} at most",
    )
    return parser


def _minutes(typed: str) -> float:
    try:
        value = float(typed)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(
            f"{typed!r}: expected minutes, more than 0 and at most {_MOST_MINUTES:g}"
        )
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
