# SPDX-License-Identifier: Apache-2.0
"""
Waiting for work that a table holds, without asking for it all the time.

A trigger notifies when rows come, so work starts within milliseconds, and an idle
process sends no queries that would fill the traces.
"""

from __future__ import annotations

from typing import Self

import psycopg
from psycopg import sql

from services_demo.database import CONNECT


class Wakeup:
    """
    A connection that listens on a channel of the database; use it as a context manager.

    Start working before the first wait: what came earlier was not heard.
    """

    def __init__(self, url: str, channel: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, **CONNECT)
        self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def wait(self, seconds: float) -> bool:
        """Return whether a notification came within *seconds*."""
        return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
