# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL database of a service: its pool of connections and its schema."""

from __future__ import annotations

import hashlib
import logging
import select
import time
from importlib import resources
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from services_demo.configuration import ConfigurationError

log = logging.getLogger(__name__)

Connection: TypeAlias = psycopg.Connection[DictRow]
Pool: TypeAlias = ConnectionPool[Connection]

#: What a database that is down, restarting or overloaded raises. PoolTimeout is one of them.
Unavailable = (psycopg.OperationalError,)

_START_SECONDS = 30.0
# No request may hang on the database longer than a client waits.
_OPTIONS = "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
CONNECT: dict[str, Any] = {"connect_timeout": 3, "row_factory": dict_row}


def open_pool(url: str, package: str, *, max_size: int = 2) -> Pool:
    """
    Return a pool on the database at *url*, with the schema of *package* in place.

    A database that is still starting is waited for.

    Raises:
        ConfigurationError: it did not answer for 30 seconds.
    """
    _ensure_schema(url, resources.files(package).joinpath("schema.sql").read_text("utf-8"))
    pool: Pool = ConnectionPool(
        url,
        connection_class=psycopg.Connection[DictRow],
        kwargs={**CONNECT, "options": _OPTIONS},
        min_size=1,
        max_size=max_size,
        timeout=5,
        max_waiting=200,
        # Each is a process of the server: one more than is needed goes soon.
        max_idle=15,
        reconnect_timeout=5,
        check=_check,
        name=package.rpartition(".")[2],
        open=True,
    )
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it warns at every attempt
    return pool


def _check(connection: Connection) -> None:
    """Ask the server only if it has something to say to an idle connection: mostly its end."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


def _ensure_schema(url: str, schema: str) -> None:
    connection = _connect_patiently(url)
    version = hashlib.sha256(schema.encode()).hexdigest()
    with connection, connection.transaction():
        # Several workers start at once; the lock ends with the transaction.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('services_demo.schema'))")
        connection.execute("CREATE TABLE IF NOT EXISTS schema_applied (version text PRIMARY KEY)")
        is_new = connection.execute(
            "INSERT INTO schema_applied VALUES (%s) ON CONFLICT DO NOTHING RETURNING version",
            (version,),
        ).fetchone()
        if is_new:
            connection.execute(schema.encode())


def _connect_patiently(url: str) -> Connection:
    deadline = time.monotonic() + _START_SECONDS
    waiting = False
    while True:
        try:
            return psycopg.connect(url, **CONNECT)
        except psycopg.OperationalError as error:
            reason = " ".join(str(error).split())
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The database did not answer for {_START_SECONDS:.0f} s: {reason} "
                    "Start it, or change the address in the *_DATABASE_URL of this service."
                ) from None
            if not waiting:
                log.warning("waiting for the database: %s", reason)
            waiting = True
            time.sleep(0.5)
