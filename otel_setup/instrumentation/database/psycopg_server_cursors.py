# SPDX-License-Identifier: Apache-2.0
"""
Server cursors of psycopg: what they are declared for, and each page that is fetched.

To declare one costs nothing; the server works when rows are fetched, page by page.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from otel_setup._guard import quiet
from otel_setup.instrumentation.database import asking
from otel_setup.instrumentation.database.psycopg_cursors import SYSTEM, database_of, text_of
from otel_setup.instrumentation.database.statements import Statement, read

Method = Callable[..., Any]

#: Server cursor → the statement that it was declared for.
_declared: weakref.WeakKeyDictionary[Any, Statement] = weakref.WeakKeyDictionary()


def forget() -> None:
    """Forget the cursors that are known."""
    _declared.clear()


def declare_of(original: Method) -> Method:
    """Return ``ServerCursorMixin._make_declare_statement`` that remembers what is declared."""

    @functools.wraps(original)
    def make(self: Any, query: Any) -> Any:
        try:
            _declared[self] = read(text_of(query, self), SYSTEM)
        except Exception:  # noqa: BLE001 - what is no query the library itself refuses
            _declared.pop(self, None)
        return original(self, query)

    return make


def fetch_of(original: Method) -> Method:
    """Return ``ServerCursorMixin._fetch_gen`` that is measured: here the server works."""

    @functools.wraps(original)
    def fetch(self: Any, number: Any) -> Any:
        begun = None
        try:
            begun = asking.begin(database_of(self.connection), _fetching(_declared.get(self)))
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "psycopg":
                with quiet("beginning a query"):
                    raise
        if begun is None:
            return (yield from original(self, number))
        try:
            rows = yield from original(self, number)
        except BaseException as error:
            begun.fail(error)
            raise
        begun.end(len(rows))
        return rows

    return fetch


def _fetching(declared: Statement | None) -> Statement:
    table = declared.table if declared else ""
    return _fetch_of(table)


@functools.lru_cache(256)
def _fetch_of(table: str) -> Statement:
    return Statement("FETCH", "FETCH", table, f"FETCH {table}".strip())
