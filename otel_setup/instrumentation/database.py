# SPDX-License-Identifier: Apache-2.0
"""
Connection pools of psycopg: how many connections are used, and who waits for one.

Upstream's psycopg instrumentation measures queries. A request that waits for a
connection before it may query is not seen there: it looks like a slow service.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup._guard import quiet
from otel_setup.catalogue.entries import database as catalogue
from otel_setup.instruments import observe

if TYPE_CHECKING:
    from otel_setup.instruments import Observations

#: Pools that are alive; a pool that its program forgets disappears from here as well.
_pools: weakref.WeakSet[Any] = weakref.WeakSet()


def _stats() -> Iterator[tuple[str, Mapping[str, int]]]:
    for pool in list(_pools):
        yield str(pool.name), pool.get_stats()


def _label(name: str) -> dict[str, str]:
    return {"db.client.connection.pool.name": name}


def _counts() -> Iterator[tuple[float, dict[str, str]]]:
    for name, stats in _stats():
        idle = stats.get("pool_available", 0)
        used = stats.get("pool_size", 0) - idle
        yield idle, {**_label(name), "db.client.connection.state": "idle"}
        yield used, {**_label(name), "db.client.connection.state": "used"}


def _most() -> Iterator[tuple[float, dict[str, str]]]:
    for name, stats in _stats():
        yield stats.get("pool_max", 0), _label(name)


def _waiting() -> Iterator[tuple[float, dict[str, str]]]:
    for name, stats in _stats():
        yield stats.get("requests_waiting", 0), _label(name)


def _remember(
    wrapped: Callable[..., None], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    wrapped(*args, **kwargs)
    with quiet("remembering a connection pool"):
        _pools.add(pool)


class PsycopgPoolInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Observes the pools of psycopg_pool; entry point ``otel_setup_psycopg_pool``."""

    _active = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose pools are observed."""
        return ("psycopg_pool >= 3.2",)

    def _instrument(self, **_kwargs: Any) -> None:
        from psycopg_pool.base import BasePool  # noqa: PLC0415 - the program may not use it

        wrapt.wrap_function_wrapper(BasePool, "__init__", _remember)
        self._active = True
        observe(catalogue.CONNECTIONS, self._while_active(_counts))
        observe(catalogue.CONNECTIONS_MAX, self._while_active(_most))
        observe(catalogue.PENDING_REQUESTS, self._while_active(_waiting))

    def _while_active(self, read: Callable[[], Observations]) -> Callable[[], Observations]:
        return lambda: read() if self._active else ()

    def _uninstrument(self, **_kwargs: Any) -> None:
        from psycopg_pool.base import BasePool  # noqa: PLC0415 - the program may not use it

        # Reading a class attribute takes the wrapper's own __wrapped__: the original function.
        BasePool.__init__ = BasePool.__init__.__wrapped__  # type: ignore[attr-defined,method-assign]
        _pools.clear()
        self._active = False
