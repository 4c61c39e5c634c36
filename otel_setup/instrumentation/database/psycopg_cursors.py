# SPDX-License-Identifier: Apache-2.0
"""
Cursors of psycopg: each method that sends a statement, around the library's own.

Every function takes a method of a class and returns the one to put in its place.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from typing import Any

from otel_setup._guard import quiet
from otel_setup.instrumentation.database import asking
from otel_setup.instrumentation.database import psycopg_pipeline as pipeline
from otel_setup.instrumentation.database.asking import Asking
from otel_setup.instrumentation.database.measures import Database, database
from otel_setup.instrumentation.database.statements import read

SYSTEM = "postgresql"

Method = Callable[..., Any]

_databases: weakref.WeakKeyDictionary[Any, Database] = weakref.WeakKeyDictionary()


def forget() -> None:
    """Forget the connections that are known."""
    _databases.clear()


def database_of(connection: Any) -> Database:
    """Return the database that *connection* leads to."""
    found = _databases.get(connection)
    if found is None:
        info = connection.info
        found = database(SYSTEM, info.dbname, info.host, info.port)
        _databases[connection] = found
    return found


def text_of(query: Any, cursor: Any) -> str:
    """Return *query* as the text that it is, or is made of."""
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    if hasattr(query, "as_string"):
        return str(query.as_string(cursor))
    if hasattr(query, "strings"):  # a template of Python 3.14
        return "?".join(query.strings)
    return str(query)


def _begin(cursor: Any, query: Any, batch: int = 0) -> Asking | None:
    try:
        statement = read(text_of(query, cursor), SYSTEM)
        return asking.begin(database_of(cursor.connection), statement, batch)
    except Exception as error:
        # What is no query, and a connection that is closed, the library itself refuses.
        if type(error).__module__.partition(".")[0] == "psycopg":
            return None
        with quiet("beginning a query"):
            raise
    return None


def _refused(cursor: Any, line: Any, begun: Asking, error: BaseException) -> None:
    if line is None:
        begun.fail(error)
    else:
        pipeline.refused(line, cursor, begun, error)


def execute_of(original: Method) -> Method:
    """Return ``execute`` that is measured."""

    @functools.wraps(original)
    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        begun = _begin(self, query)
        if begun is None:
            return original(self, query, *args, **kwargs)
        line = pipeline.of(self)
        if line is not None:
            pipeline.wait(line, self, begun)
        try:
            result = original(self, query, *args, **kwargs)
        except BaseException as error:
            _refused(self, line, begun, error)
            raise
        if line is None:
            begun.end(self.rowcount)
        return result

    return execute


def execute_async_of(original: Callable[..., Awaitable[Any]]) -> Method:
    """Return ``execute`` of asyncio that is measured."""

    @functools.wraps(original)
    async def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        begun = _begin(self, query)
        if begun is None:
            return await original(self, query, *args, **kwargs)
        line = pipeline.of(self)
        if line is not None:
            pipeline.wait(line, self, begun)
        try:
            result = await original(self, query, *args, **kwargs)
        except BaseException as error:
            _refused(self, line, begun, error)
            raise
        if line is None:
            begun.end(self.rowcount)
        return result

    return execute


def executemany_of(original: Method) -> Method:
    """Return ``executemany`` that is measured, all of its rows as one statement."""

    @functools.wraps(original)
    def executemany(self: Any, query: Any, params_seq: Any, **kwargs: Any) -> Any:
        begun = _begin(self, query, _length(params_seq))
        if begun is None:
            return original(self, query, params_seq, **kwargs)
        try:
            result = original(self, query, params_seq, **kwargs)
        except BaseException as error:
            begun.fail(error)
            raise
        begun.end(self.rowcount)
        return result

    return executemany


def executemany_async_of(original: Callable[..., Awaitable[Any]]) -> Method:
    """Return ``executemany`` of asyncio that is measured."""

    @functools.wraps(original)
    async def executemany(self: Any, query: Any, params_seq: Any, **kwargs: Any) -> Any:
        begun = _begin(self, query, _length(params_seq))
        if begun is None:
            return await original(self, query, params_seq, **kwargs)
        try:
            result = await original(self, query, params_seq, **kwargs)
        except BaseException as error:
            begun.fail(error)
            raise
        begun.end(self.rowcount)
        return result

    return executemany


def _length(rows: Any) -> int:
    return len(rows) if isinstance(rows, list | tuple) else 0


def stream_of(original: Callable[..., Iterator[Any]]) -> Method:
    """Return ``stream`` that is measured, without the time that the program takes for rows."""

    @functools.wraps(original)
    def stream(self: Any, query: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        begun = _begin(self, query)
        rows: Any = original(self, query, *args, **kwargs)
        if begun is None:
            yield from rows
            return
        count = 0
        try:
            with closing(rows):
                for row in rows:
                    count += 1
                    begun.pause()
                    yield row
                    begun.resume()
        except GeneratorExit:  # the program has seen enough
            begun.end(count)
            raise
        except BaseException as error:
            begun.fail(error)
            raise
        begun.end(count)

    return stream


def stream_async_of(original: Callable[..., AsyncIterator[Any]]) -> Method:
    """Return ``stream`` of asyncio that is measured."""

    @functools.wraps(original)
    async def stream(self: Any, query: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        begun = _begin(self, query)
        rows: Any = original(self, query, *args, **kwargs)
        if begun is None:
            async with aclosing(rows):
                async for row in rows:
                    yield row
            return
        count = 0
        try:
            async with aclosing(rows):
                async for row in rows:
                    count += 1
                    begun.pause()
                    yield row
                    begun.resume()
        except GeneratorExit:  # the program has seen enough
            begun.end(count)
            raise
        except BaseException as error:
            begun.fail(error)
            raise
        begun.end(count)

    return stream


def copy_of(original: Method) -> Method:
    """Return ``copy`` that is measured to the end of its block."""

    @contextmanager
    @functools.wraps(original)
    def copy(self: Any, statement: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        begun = _begin(self, statement)
        try:
            with original(self, statement, *args, **kwargs) as copied:
                yield copied
        except BaseException as error:
            if begun is not None:
                begun.fail(error)
            raise
        if begun is not None:
            begun.end(self.rowcount)

    return copy


def copy_async_of(original: Method) -> Method:
    """Return ``copy`` of asyncio that is measured."""

    @asynccontextmanager
    @functools.wraps(original)
    async def copy(self: Any, statement: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        begun = _begin(self, statement)
        try:
            async with original(self, statement, *args, **kwargs) as copied:
                yield copied
        except BaseException as error:
            if begun is not None:
                begun.fail(error)
            raise
        if begun is not None:
            begun.end(self.rowcount)

    return copy
