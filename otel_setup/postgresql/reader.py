# SPDX-License-Identifier: Apache-2.0
"""Asks a server at every export who works, who waits for whom, and which statements cost most."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from otel_setup._guard import warn_sometimes
from otel_setup.catalogue.entries import sessions as catalogue
from otel_setup.instruments import Observations, observe
from otel_setup.postgresql import queries
from otel_setup.postgresql.statements import (
    OTHER,
    READ_AT_MOST,
    Followed,
    Key,
    summary,
    totals_of,
)

if TYPE_CHECKING:
    import psycopg

#: All instruments of one export see one reading.
_ONE_EXPORT_SECONDS = 0.5
#: A server without pg_stat_statements is asked again after this.
_MISSING_SECONDS = 60.0

#: It may not wait on a server that hangs, nor change anything, nor be taken for a service.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 3000,
    "keepalives_idle": 5,
    "application_name": "otel-setup reader",
    "options": "-c statement_timeout=2s -c lock_timeout=500ms -c default_transaction_read_only=on",
}

_STATES = ("active", "waiting", "idle", "idle_in_transaction")
_OPEN = ("active", "idle_in_transaction")

_Labels = dict[str, str]


@dataclass(slots=True)
class _Reading:
    """What one look at the server showed; nothing if it did not answer."""

    is_up: bool = False
    databases: tuple[str, ...] = ()
    sessions: dict[tuple[str, str], int] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    ages: dict[tuple[str, str], float] = field(default_factory=dict)
    locks: dict[tuple[str, str, str], int] = field(default_factory=dict)


class Reader:
    """
    Reads one server over one connection that stays open: it has its own when all are taken.

    *conninfo* is an address such as ``postgresql://otel_monitor@db/postgres``; what it leaves out
    comes from ``PGHOST``, ``PGPORT``, ``PGUSER``, ``PGPASSWORD`` and ``PGDATABASE``. The role
    needs ``pg_read_all_stats`` and no table.
    """

    def __init__(self, conninfo: str = "") -> None:
        from psycopg import conninfo as parsing  # noqa: PLC0415 - only who watches needs it

        given = parsing.conninfo_to_dict(conninfo)
        host = given.get("host") or os.environ.get("PGHOST") or "localhost"
        port = given.get("port") or os.environ.get("PGPORT") or "5432"
        self._server: _Labels = {"server.address": str(host), "server.port": str(port)}
        self._conninfo = conninfo
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._lock = threading.Lock()
        self._reading = _Reading()
        self._read_at = float("-inf")
        self._followed = Followed()
        self._summaries: dict[int, str] = {}
        self._statements_from = float("-inf")
        #: Locks that were seen once: they are told as 0 afterwards, not left at their last number.
        self._modes: set[tuple[str, str, str]] = set()

    def publish(self) -> None:
        """Have the server read at every export of this process; call it once."""
        reads: tuple[tuple[Any, Callable[[_Reading], Observations]], ...] = (
            (catalogue.UP, self._up),
            (catalogue.SESSIONS, self._sessions),
            (catalogue.LOCKS, self._locks),
            (catalogue.LOCK_WAIT, self._lock_wait),
            (catalogue.TRANSACTION_AGE, self._transaction_age),
            (catalogue.STATEMENT_TIME, self._statement_time),
            (catalogue.STATEMENT_CALLS, self._statement_calls),
        )
        for entry, read in reads:
            observe(entry, partial(self._of_current, read))

    def close(self) -> None:
        """Give the connection back; the next export opens another one."""
        with self._lock:
            self._drop()

    def _of_current(self, read: Callable[[_Reading], Observations]) -> Observations:
        return read(self._current())

    def _current(self) -> _Reading:
        with self._lock:
            if time.monotonic() - self._read_at > _ONE_EXPORT_SECONDS:
                self._reading = self._look()
                self._read_at = time.monotonic()
            return self._reading

    def _look(self) -> _Reading:
        import psycopg  # noqa: PLC0415 - only who watches needs it

        try:
            reading = self._asked_once_more()
        except psycopg.Error as error:
            self._drop()
            where = ":".join(self._server.values())
            reason = " ".join(str(error).split()) or type(error).__name__
            warn_sometimes(
                f"reading PostgreSQL {where}",
                f"PostgreSQL {where} gives no statistics ({reason}). Start it, or set PGHOST, "
                "PGPORT, PGUSER and PGPASSWORD; the role needs pg_read_all_stats.",
            )
            return _Reading()
        self._read_statements()
        return reading

    def _asked_once_more(self) -> _Reading:
        import psycopg  # noqa: PLC0415 - only who watches needs it

        if self._connection is not None:
            try:
                return self._asked()
            except psycopg.Error:
                # A server that was started anew ended the connection: that is no silence yet.
                if not self._connection.closed:
                    raise
                self._drop()
        self._connection = psycopg.connect(self._conninfo, autocommit=True, **_CONNECT)
        return self._asked()

    def _asked(self) -> _Reading:
        databases = tuple(str(name) for (name,) in self._ask(queries.DATABASES))
        reading = _Reading(is_up=True, databases=databases)
        for database, doing, count, wait, age in self._ask(queries.SESSIONS):
            reading.sessions[database, doing] = count
            reading.waits[database] = max(reading.waits.get(database, 0.0), wait)
            state = doing if doing == "idle_in_transaction" else "active"
            reading.ages[database, state] = max(reading.ages.get((database, state), 0.0), age)
        for database, mode, granted, count in self._ask(queries.LOCKS):
            reading.locks[database, mode, granted] = count
        self._modes |= {each for each in reading.locks if each[0] in databases}
        return reading

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        assert self._connection is not None  # noqa: S101 - said for the type checker
        return self._connection.execute(query.encode(), values or None).fetchall()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read_statements(self) -> None:
        import psycopg  # noqa: PLC0415 - only who watches needs it

        now = time.monotonic()
        if now < self._statements_from:
            return
        try:
            self._followed.update(totals_of(self._statements()), now)
            followed = {key.query for key in self._followed.keys()}  # noqa: SIM118 - not a mapping
            self._summaries = {
                query: text for query, text in self._summaries.items() if query in followed
            }
            if unknown := followed - self._summaries.keys():
                texts = dict(self._ask(queries.TEXTS, list(unknown)))
                # One that the server forgot meanwhile is not asked for again and again.
                self._summaries |= {query: summary(texts.get(query, "")) for query in unknown}
        except psycopg.Error as error:
            if self._connection is None or self._connection.closed:
                return  # the next export says it
            self._statements_from = now + _MISSING_SECONDS
            reason = " ".join(str(error).split())
            warn_sometimes(
                "reading pg_stat_statements",
                f"PostgreSQL says nothing about statements ({reason}). Set "
                "shared_preload_libraries=pg_stat_statements and run CREATE EXTENSION "
                "pg_stat_statements in the database that the reader connects to.",
            )

    def _statements(self) -> list[tuple[str, int, float, int]]:
        return [
            (str(database), int(query), float(seconds), int(calls))
            for database, query, seconds, calls in self._ask(queries.STATEMENTS, READ_AT_MOST)
        ]

    def _up(self, reading: _Reading) -> Observations:
        yield float(reading.is_up), self._server

    def _sessions(self, reading: _Reading) -> Observations:
        for database, labels in self._each(reading):
            for state in _STATES:
                yield reading.sessions.get((database, state), 0), {**labels, "state": state}

    def _locks(self, reading: _Reading) -> Observations:
        for database, mode, granted in sorted(self._modes):
            if database in reading.databases:
                yield (
                    reading.locks.get((database, mode, granted), 0),
                    {
                        **self._labels(database),
                        "postgresql.lock.mode": mode,
                        "postgresql.lock.granted": granted,
                    },
                )

    def _lock_wait(self, reading: _Reading) -> Observations:
        for database, labels in self._each(reading):
            yield reading.waits.get(database, 0.0), labels

    def _transaction_age(self, reading: _Reading) -> Observations:
        for database, labels in self._each(reading):
            for state in _OPEN:
                yield reading.ages.get((database, state), 0.0), {**labels, "state": state}

    def _statement_time(self, _reading: _Reading) -> Observations:
        for key, total in self._followed.totals():
            yield total.seconds, self._statement(key)

    def _statement_calls(self, _reading: _Reading) -> Observations:
        for key, total in self._followed.totals():
            yield total.calls, self._statement(key)

    def _each(self, reading: _Reading) -> Iterator[tuple[str, _Labels]]:
        for database in reading.databases:
            yield database, self._labels(database)

    def _labels(self, database: str) -> _Labels:
        return {**self._server, "postgresql.database.name": database}

    def _statement(self, key: Key | str) -> _Labels:
        if isinstance(key, str):
            named = {"db.query.summary": OTHER, "postgresql.query.id": OTHER}
            return {**self._labels(key), **named}
        return {
            **self._labels(key.database),
            "db.query.summary": self._summaries.get(key.query, OTHER),
            "postgresql.query.id": str(key.query),
        }


def watch(conninfo: str = "") -> Reader:
    """
    Return a reader of the server at *conninfo* whose numbers every export of this process has.

    Call it once, in one process, after `otel_setup.setup`.
    """
    reader = Reader(conninfo)
    reader.publish()
    return reader
