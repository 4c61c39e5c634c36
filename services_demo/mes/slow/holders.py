# SPDX-License-Identifier: Apache-2.0
"""Threads that hold up the list: one keeps the pool's connections, one locks the table."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from otel_setup import untraced
from services_demo.database import CONNECT, Connection, Pool, Unavailable
from services_demo.mes.slow.switch import Cause, read

log = logging.getLogger(__name__)

#: Long enough to be felt, and shorter than the timeouts of the pool and of locks: nothing fails.
_KEEP_SECONDS, _LOCK_SECONDS, _PAUSE_SECONDS = 1.5, 2.5, 0.1


class Holders:
    """At most one thread of each kind in this process; they end when the switch says so."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self._url = url
        self._lock = threading.Lock()
        self._running: set[Cause] = set()
        self._work: dict[Cause, Callable[[], None]] = {
            Cause.POOL: self._keep_connections,
            Cause.LOCK: self._lock_table,
        }

    def ensure(self, cause: Cause) -> None:
        """Start the thread of *cause* unless it runs; a cause without one is passed over."""
        with self._lock:
            if cause in self._running or cause not in self._work:
                return
            self._running.add(cause)
        threading.Thread(target=self._run, args=(cause,), name=f"slow {cause}", daemon=True).start()

    def _run(self, cause: Cause) -> None:
        try:
            self._work[cause]()
        except Unavailable as error:
            log.warning("slow %s: %s", cause, " ".join(str(error).split()))
        finally:
            with self._lock:
                self._running.discard(cause)

    def _keep_connections(self) -> None:
        """Borrow all connections of the pool, and do something else meanwhile."""
        while True:
            with ExitStack() as held:
                borrowed = [
                    held.enter_context(self._pool.connection()) for _ in range(self._pool.max_size)
                ]
                if not _is_set(borrowed[0], Cause.POOL):
                    return
                time.sleep(_KEEP_SECONDS)
            time.sleep(_PAUSE_SECONDS)

    def _lock_table(self) -> None:
        """Lock the orders as a migration does; one of all processes is enough."""
        with untraced():
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                application_name="slow lock",
                options="-c lock_timeout=5s",
                **CONNECT,
            )
        with connection, untraced():
            while _is_set(connection, Cause.LOCK):
                with connection.transaction():
                    if _is_mine(connection):
                        connection.execute(
                            "LOCK TABLE manufacturing_order IN ACCESS EXCLUSIVE MODE"
                        )
                    time.sleep(_LOCK_SECONDS)
                time.sleep(_PAUSE_SECONDS)


def _is_mine(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtext('services_demo.slow_list')) AS mine"
    ).fetchone()
    return bool(row and row["mine"])


def _is_set(connection: Connection, cause: Cause) -> bool:
    with untraced():
        setting = read(connection)
    if not connection.autocommit:
        connection.commit()  # a connection that is kept is no transaction that is left open
    return setting is not None and setting.cause == cause
