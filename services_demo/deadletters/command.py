# SPDX-License-Identifier: Apache-2.0
"""The command with which a person looks at dead letters, replays and drops them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg

from otel_setup import untraced
from services_demo.bus.connection import BrokerGone, connect
from services_demo.configuration import ConfigurationError, load
from services_demo.database import CONNECT, Connection
from services_demo.deadletters import output, store
from services_demo.deadletters.arguments import chosen, parser
from services_demo.deadletters.replay import NotReplayed, replay
from services_demo.deadletters.settings import ReplaySettings, TableSettings

_DONE, _NOT_ALL, _WRONG, _UNUSABLE = 0, 1, 2, 3

#: A row that is locked for longer than this is given back to the others.
_OPTIONS = "-c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"


class CommandError(Exception):
    """What was typed cannot be done; the text says why, and what to type instead."""


def main(arguments: Sequence[str]) -> int:
    """Do what *arguments* say; return the exit code."""
    # It logs an error with every try to connect, and here one line says it.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    given = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = {
        "list": _list,
        "show": _show,
        "replay": _replay,
        "drop": _drop,
    }[given.command]
    try:
        return run(given)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has enough, as `head` does
        return _DONE
    except CommandError as error:
        code, text = _WRONG, str(error)
    except psycopg.errors.UndefinedTable:
        code, text = _UNUSABLE, "There is no table of dead letters yet. Start the CRM's worker."
    except psycopg.Error as error:
        code, text = _UNUSABLE, f"The database of CRM_DATABASE_URL cannot be used: {_line(error)}"
    except ConfigurationError as error:
        code, text = _UNUSABLE, str(error)
    except BrokerGone as error:
        code, text = _UNUSABLE, f"The broker of AMQP_URL cannot be used: {_line(error)}"
    _warn(text)
    return code


def _list(given: argparse.Namespace) -> int:
    with _database(load(TableSettings)) as database:
        rows = store.find(database, chosen(given), given.limit + 1)
    shown, more = rows[: given.limit], rows[given.limit :]
    if given.json:
        _say(output.as_json(shown))
    else:
        _say(output.table(shown) if shown else "no dead letter")
    if more:
        _warn(f"There are more than {given.limit}. Say --limit N to see them.")
    return _DONE


def _show(given: argparse.Namespace) -> int:
    with _database(load(TableSettings)) as database:
        row = store.get(database, given.id)
    if row is None:
        raise CommandError(f"dead letter {given.id}: there is none. `list --any-state` shows all.")
    shown = output.details(row, body=given.body)
    _say(output.as_json(shown) if given.json else output.lines(shown))
    return _DONE


def _replay(given: argparse.Namespace) -> int:
    settings = load(ReplaySettings)
    with ExitStack() as stack:
        database = stack.enter_context(_database(settings))
        identities = _identities(database, given)
        if given.dry_run:
            return _would(database, identities, f"replay to {given.to or 'its queue'}")
        if not identities:
            return _nothing()
        connection = stack.enter_context(connect(settings.amqp_url, "dead letters"))
        channel = connection.channel()
        channel.confirm_delivery()

        def one(identity: int) -> str | None:
            queue = replay(database, channel, identity, given.to)
            return queue and f"replayed to {queue}"

        return _each(identities, one)


def _drop(given: argparse.Namespace) -> int:
    with _database(load(TableSettings)) as database:
        identities = _identities(database, given)
        if given.dry_run:
            return _would(database, identities, "drop")
        if not identities:
            return _nothing()

        def one(identity: int) -> str | None:
            with database.transaction():
                row = store.take(database, identity)
                if row is None:
                    return None
                store.mark(database, row, "dropped", given.because)
            return "dropped"

        return _each(identities, one)


def _each(identities: Sequence[int], one: Callable[[int], str | None]) -> int:
    """Do *one* for each of *identities*; one that fails does not stop the others."""
    done = 0
    for identity in identities:
        try:
            what = one(identity)
        except NotReplayed as error:
            _warn(str(error))
            continue
        if what is None:
            _warn(f"dead letter {identity}: does not wait, or somebody else has it in hand.")
            continue
        done += 1
        _say(f"dead letter {identity}: {what}")
    _say(f"{done} of {len(identities)} done")
    return _DONE if done == len(identities) else _NOT_ALL


def _identities(database: Connection, given: argparse.Namespace) -> list[int]:
    wanted = chosen(given)
    if given.ids:
        if wanted.chooses or given.all:
            raise CommandError("Say either numbers or filters, not both.")
        return list(dict.fromkeys(given.ids))
    if not wanted.chooses and not given.all:
        raise CommandError(f"Which? Say numbers, filters, or `{given.command} --all`.")
    return [row["dead_letter_id"] for row in store.find(database, wanted, given.limit)]


def _would(database: Connection, identities: Sequence[int], what: str) -> int:
    rows = [store.get(database, identity) for identity in identities]
    waiting = [row for row in rows if row and row["state"] == "waiting"]
    if waiting:
        _say(output.table(waiting))
    _say(f"would {what}: {len(waiting)} of {len(identities)}")
    return _DONE if len(waiting) == len(identities) else _NOT_ALL


@contextmanager
def _database(settings: TableSettings) -> Iterator[Connection]:
    arguments: dict[str, Any] = {**CONNECT, "options": _OPTIONS, "autocommit": True}
    # Somebody who looks is no part of any order's trace; a replay opens its own.
    with untraced():
        database = psycopg.connect(settings.crm_database_url, **arguments)
    with database:
        yield database


def _nothing() -> int:
    _say("no dead letter")
    return _DONE


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _warn(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
