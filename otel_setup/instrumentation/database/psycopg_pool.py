# SPDX-License-Identifier: Apache-2.0
"""Pools of psycopg: what they have, and who waits for it, from the first connection lent."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Awaitable, Callable, Collection, Iterator
from time import perf_counter
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup._guard import quiet
from otel_setup.instrumentation.database import pools
from otel_setup.instrumentation.patching import Patches, Replacement

Method = Callable[..., Any]

#: Connections that are lent, and since when.
_lent: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()


def _describe(pool: Any) -> tuple[str, Callable[[Any], pools.Counts]]:
    return str(pool.name), _read


def _read(pool: Any) -> pools.Counts:
    stats = pool.get_stats()
    idle = stats.get("pool_available", 0)
    return pools.Counts(
        used=stats.get("pool_size", 0) - idle, idle=idle, most=stats.get("pool_max", 0)
    )


def _made(original: Method) -> Method:
    @functools.wraps(original)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        with quiet("remembering a connection pool"):
            pools.watched(self, _describe)

    return made


def _is_about_waiting(error: BaseException) -> bool:
    """Tell whether the pool had no connection in time, or too many waited for one already."""
    from psycopg_pool import PoolTimeout, TooManyRequests  # noqa: PLC0415 - it is imported by now

    return isinstance(error, PoolTimeout | TooManyRequests)


class _Wait:
    """One wait for a connection."""

    __slots__ = ("_number", "_pool")

    def __init__(self, pool: pools.Watched) -> None:
        self._pool = pool
        self._number = pool.wait()

    def end(self, error: BaseException) -> None:
        """Note that it ended with *error*."""
        with quiet("measuring a wait that failed"):
            self._pool.got(self._number, timed_out=_is_about_waiting(error))

    def lend(self, connection: Any) -> None:
        """Note that it ended with *connection*."""
        with quiet("noting a connection that is lent"):
            self._pool.got(self._number)
            _lent[connection] = perf_counter()


class _NoWait:
    """A wait that could not be measured."""

    def end(self, error: BaseException) -> None:
        """Do nothing."""

    def lend(self, connection: Any) -> None:
        """Do nothing."""


def _begin(pool: Any) -> _Wait | _NoWait:
    with quiet("beginning to wait for a connection"):
        return _Wait(pools.watched(pool, _describe))
    return _NoWait()


def _getconn(original: Method) -> Method:
    @functools.wraps(original)
    def getconn(self: Any, *args: Any, **kwargs: Any) -> Any:
        wait = _begin(self)
        try:
            connection = original(self, *args, **kwargs)
        except BaseException as error:
            wait.end(error)
            raise
        wait.lend(connection)
        return connection

    return getconn


def _getconn_async(original: Callable[..., Awaitable[Any]]) -> Method:
    @functools.wraps(original)
    async def getconn(self: Any, *args: Any, **kwargs: Any) -> Any:
        wait = _begin(self)
        try:
            connection = await original(self, *args, **kwargs)
        except BaseException as error:
            wait.end(error)
            raise
        wait.lend(connection)
        return connection

    return getconn


def _putconn(original: Method) -> Method:
    @functools.wraps(original)
    def putconn(self: Any, conn: Any) -> Any:
        # It may be another's as soon as it is back.
        _returned(self, conn)
        return original(self, conn)

    return putconn


def _putconn_async(original: Callable[..., Awaitable[Any]]) -> Method:
    @functools.wraps(original)
    async def putconn(self: Any, conn: Any) -> Any:
        _returned(self, conn)
        return await original(self, conn)

    return putconn


def _returned(pool: Any, connection: Any) -> None:
    with quiet("noting a connection that came back"):
        since = _lent.pop(connection, None)
        if since is not None:
            pools.watched(pool, _describe).used(perf_counter() - since)


def _replacements() -> Iterator[Replacement]:
    import psycopg_pool  # noqa: PLC0415 - the program may not use it
    from psycopg_pool.base import BasePool  # noqa: PLC0415

    yield BasePool, "__init__", _made
    yield psycopg_pool.ConnectionPool, "getconn", _getconn
    yield psycopg_pool.AsyncConnectionPool, "getconn", _getconn_async
    yield psycopg_pool.ConnectionPool, "putconn", _putconn
    yield psycopg_pool.AsyncConnectionPool, "putconn", _putconn_async


_PATCHES = Patches(_replacements)


class PsycopgPoolInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Observes the pools of psycopg_pool; entry point ``otel_setup_psycopg_pool``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose pools are observed."""
        return ("psycopg_pool >= 3.2",)

    def _instrument(self, **_kwargs: Any) -> None:
        _PATCHES.apply()
        pools.publish()

    def _uninstrument(self, **_kwargs: Any) -> None:
        from psycopg_pool.base import BasePool  # noqa: PLC0415 - the program may not use it

        _PATCHES.undo()
        pools.forget(BasePool)
        _lent.clear()
