# SPDX-License-Identifier: Apache-2.0
"""
psycopg 3: every statement of its cursors, once, and every connection that is refused.

Methods of the classes are replaced, so connections that exist already are measured, whoever
made them, and so are cursors of other kinds.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup._guard import quiet
from otel_setup.instrumentation.database import connecting, measured
from otel_setup.instrumentation.database import psycopg_cursors as cursors
from otel_setup.instrumentation.database import psycopg_pipeline as pipeline
from otel_setup.instrumentation.database import psycopg_server_cursors as server_cursors
from otel_setup.instrumentation.database.measures import Database, database
from otel_setup.instrumentation.patching import Patches, Replacement

Method = Callable[..., Any]

_DRIVERS = frozenset({"psycopg", "psycopg_async"})
_PORT = 5432


def _database(params: Mapping[str, Any]) -> Database:
    """Return the database that *params* of a connection lead to."""

    def said(name: str, variable: str) -> str:
        # What is not said libpq takes from the environment.
        return str(params.get(name) or os.environ.get(variable) or "")

    host = said("host", "PGHOST") or said("hostaddr", "PGHOSTADDR")
    port = said("port", "PGPORT") or str(_PORT)
    return database(
        cursors.SYSTEM,
        said("dbname", "PGDATABASE"),
        host,
        int(port) if port.isdecimal() else None,
    )


def _connect(original: Method) -> Any:
    """
    Return ``BaseConnection._connect_gen`` that counts failures.

    It is the one place that all ways to connect come through; ``psycopg.connect`` itself is a
    name that programs keep.
    """

    def connect(cls: Any, conninfo: str = "", **options: Any) -> Any:
        to = None
        with quiet("beginning to connect"):
            from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - it is imported by now

            to = _database(conninfo_to_dict(conninfo))
            connecting.attempted(to)
        try:
            return (yield from original.__func__(cls, conninfo, **options))  # type: ignore[attr-defined]
        except BaseException:  # also when it is closed: nobody waits for it any longer
            if to is not None:
                connecting.failed(to)
            raise

    return classmethod(functools.wraps(original)(connect))  # type: ignore[arg-type]


def _find(original: Method) -> Method:
    """Return ``conninfo_attempts`` that counts servers whose name is not known."""

    @functools.wraps(original)
    def find(params: Any) -> Any:
        try:
            return original(params)
        except Exception:
            _not_found(params)
            raise

    return find


def _find_async(original: Callable[..., Awaitable[Any]]) -> Method:
    @functools.wraps(original)
    async def find(params: Any) -> Any:
        try:
            return await original(params)
        except Exception:
            _not_found(params)
            raise

    return find


def _not_found(params: Mapping[str, Any]) -> None:
    with quiet("noting a failure to connect"):
        connecting.failed(_database(params))


def _replacements() -> Iterator[Replacement]:
    import psycopg  # noqa: PLC0415 - the program may not use it
    from psycopg import (  # noqa: PLC0415
        _connection_base,
        _pipeline,
        _server_cursor_base,
        connection,
        connection_async,
    )

    for cursor in (psycopg.Cursor, psycopg.ServerCursor):
        yield cursor, "execute", cursors.execute_of
    for waiting in (psycopg.AsyncCursor, psycopg.AsyncServerCursor):
        yield waiting, "execute", cursors.execute_async_of
    yield psycopg.Cursor, "executemany", cursors.executemany_of
    yield psycopg.Cursor, "stream", cursors.stream_of
    yield psycopg.Cursor, "copy", cursors.copy_of
    yield psycopg.AsyncCursor, "executemany", cursors.executemany_async_of
    yield psycopg.AsyncCursor, "stream", cursors.stream_async_of
    yield psycopg.AsyncCursor, "copy", cursors.copy_async_of
    pipelines: Any = _pipeline
    inner: tuple[Replacement, ...] = (
        (
            _server_cursor_base.ServerCursorMixin,
            "_make_declare_statement",
            server_cursors.declare_of,
        ),
        (_server_cursor_base.ServerCursorMixin, "_fetch_gen", server_cursors.fetch_of),
        (pipelines.BasePipeline, "_process_results", pipeline.process_results),
        (pipelines.BasePipeline, "_exit", pipeline.leave),
        (_connection_base.BaseConnection, "_connect_gen", _connect),
        (connection, "conninfo_attempts", _find),
        (connection_async, "conninfo_attempts_async", _find_async),
    )
    # Nothing public stands for these; a version without them is measured without them.
    yield from (each for each in inner if hasattr(each[0], each[1]))


_PATCHES = Patches(_replacements)


class PsycopgInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures the statements of psycopg 3; entry point ``otel_setup_psycopg``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library that is measured."""
        return ("psycopg >= 3.2",)

    def _instrument(self, **_kwargs: Any) -> None:
        _PATCHES.apply()
        measured.DRIVERS.update(_DRIVERS)

    def _uninstrument(self, **_kwargs: Any) -> None:
        measured.DRIVERS.difference_update(_DRIVERS)
        _PATCHES.undo()
        for part in (cursors, server_cursors, pipeline):
            part.forget()
