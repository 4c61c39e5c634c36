# SPDX-License-Identifier: Apache-2.0
"""
SQLAlchemy: statements of drivers that nobody else measures, and all of its pools.

Its events are listened to on the classes, so engines that exist already are measured. A driver
that is measured itself, psycopg 3, keeps its statements: each is one, whoever is on top.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Collection, Iterator
from time import perf_counter
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup._guard import quiet
from otel_setup.instrumentation.database import asking, connecting, measured, pools
from otel_setup.instrumentation.database.measures import Database, database
from otel_setup.instrumentation.database.statements import read
from otel_setup.instrumentation.patching import Patches, Replacement

Method = Callable[..., Any]

#: What SQLAlchemy calls a database → the name that the conventions have for it.
_SYSTEMS = {"mssql": "microsoft.sql_server", "oracle": "oracle.db"}
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
#: The attribute of an execution that holds what measures its statement.
_ASKING = "_otel_setup_asking"
#: Under this name a connection of a pool keeps since when it is lent, and from which pool.
_LENT = "otel_setup.lent"

_databases: weakref.WeakKeyDictionary[Any, Database] = weakref.WeakKeyDictionary()


def _database(engine: Any) -> Database:
    found = _databases.get(engine)
    if found is None:
        found = _databases[engine] = database(*_place(engine))
    return found


def _place(engine: Any) -> tuple[str, str, str, int | None]:
    """Return kind, name, host and port of the database of *engine*."""
    url, dialect = engine.url, engine.dialect.name
    query = url.query.get("host", "")
    host = url.host or (query if isinstance(query, str) else "")
    port = url.port or (_PORTS.get(dialect) if host else None)
    return _SYSTEMS.get(dialect, dialect), url.database or "", host, port


def _name(engine: Any) -> str:
    """Return the name of a pool that its program gave none."""
    system, namespace, host, port = _place(engine)
    place = host if port is None else f"{host}:{port}"
    return f"{place}/{namespace}" if place else namespace or system


def _before(
    connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    if connection.dialect.driver in measured.DRIVERS:
        return
    with quiet("beginning a query"):
        to = _database(connection.engine)
        batch = len(parameters) if many and isinstance(parameters, list | tuple) else 0
        begun = asking.begin(to, read(statement, to.system), batch)
        if begun is not None:
            setattr(context, _ASKING, begun)


def _after(
    _connection: Any, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    begun = getattr(context, _ASKING, None)
    if begun is not None:
        begun.end(_rows(cursor))
        setattr(context, _ASKING, None)


def _rows(cursor: Any) -> int | None:
    rows = getattr(cursor, "rowcount", None)
    return rows if isinstance(rows, int) else None


def _failed(failure: Any) -> None:
    begun = getattr(failure.execution_context, _ASKING, None)
    if begun is not None:
        begun.fail(failure.original_exception)
        setattr(failure.execution_context, _ASKING, None)


def _connect_driver(original: Method) -> Method:
    """Return `DefaultDialect.connect` that counts failures."""

    @functools.wraps(original)
    def connect(self: Any, *args: Any, **params: Any) -> Any:
        if self.driver in measured.DRIVERS:
            return original(self, *args, **params)
        to = None
        with quiet("beginning to connect"):
            to = database(*_place_of(self.name, params))
            connecting.attempted(to)
        try:
            return original(self, *args, **params)
        except BaseException:
            if to is not None:
                connecting.failed(to)
            raise

    return connect


def _place_of(dialect: str, params: Any) -> tuple[str, str, str, int | None]:
    """Return kind, name, host and port of a database from what its driver is told."""
    name = next((params[key] for key in ("dbname", "database", "db") if params.get(key)), "")
    host, port = str(params.get("host") or ""), str(params.get("port") or "")
    number = int(port) if port.isdecimal() else _PORTS.get(dialect) if host else None
    return _SYSTEMS.get(dialect, dialect), str(name), host, number


# ---- pools


def _raw_connection(original: Method) -> Method:
    """Return `Engine.raw_connection` that gives its pool a name: the pool itself has none."""

    @functools.wraps(original)
    def raw_connection(self: Any, *args: Any, **kwargs: Any) -> Any:
        if pools.known(self.pool) is None:
            with quiet("remembering a connection pool"):
                name = _name(self)
                pools.watched(self.pool, lambda pool: _describe(pool, name))
        return original(self, *args, **kwargs)

    return raw_connection


def _describe(pool: Any, name: str = "") -> tuple[str, Callable[[Any], pools.Counts]]:
    given = getattr(pool, "_orig_logging_name", None)
    return given or name or type(pool).__name__, _read


def _read(pool: Any) -> pools.Counts:
    from sqlalchemy.pool import QueuePool  # noqa: PLC0415 - there is one, so it is imported

    if not isinstance(pool, QueuePool):
        return pools.Counts()  # it lends what it makes: there is nothing to wait for
    most = pool.size() + pool._max_overflow  # noqa: SLF001 - it has no other way to ask
    return pools.Counts(
        used=max(0, pool.checkedout()),
        idle=pool.checkedin(),
        most=most if pool._max_overflow >= 0 else None,  # noqa: SLF001
    )


def _connect(original: Method) -> Method:
    @functools.wraps(original)
    def connect(self: Any) -> Any:
        about = pools.watched(self, _describe)
        waiting = about.wait()
        try:
            lent = original(self)
        except BaseException as error:
            about.got(waiting, timed_out=_is_timeout(error))
            raise
        about.got(waiting)
        with quiet("noting a connection that is lent"):
            lent.record_info[_LENT] = (perf_counter(), about)
        return lent

    return connect


def _is_timeout(error: BaseException) -> bool:
    from sqlalchemy.exc import TimeoutError as PoolTimeout  # noqa: PLC0415 - it is imported by now

    return isinstance(error, PoolTimeout)


def _checkin(_connection: Any, record: Any) -> None:
    with quiet("noting a connection that came back"):
        lent = record.record_info.pop(_LENT, None)
        if lent is not None:
            since, about = lent
            about.used(perf_counter() - since)


def _replacements() -> Iterator[Replacement]:
    from sqlalchemy.engine import Engine  # noqa: PLC0415 - the program may not use it
    from sqlalchemy.engine.default import DefaultDialect  # noqa: PLC0415
    from sqlalchemy.pool import Pool  # noqa: PLC0415

    yield DefaultDialect, "connect", _connect_driver
    yield Engine, "raw_connection", _raw_connection
    yield Pool, "connect", _connect


_PATCHES = Patches(_replacements)


def _listeners() -> Iterator[tuple[Any, str, Callable[..., None]]]:
    from sqlalchemy.engine import Engine  # noqa: PLC0415 - the program may not use it
    from sqlalchemy.pool import Pool  # noqa: PLC0415

    yield Engine, "before_cursor_execute", _before
    yield Engine, "after_cursor_execute", _after
    yield Engine, "handle_error", _failed
    yield Pool, "checkin", _checkin


class SQLAlchemyInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures SQLAlchemy's statements and pools; entry point ``otel_setup_sqlalchemy``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library that is measured."""
        return ("sqlalchemy >= 2.0",)

    def _instrument(self, **_kwargs: Any) -> None:
        from sqlalchemy import event  # noqa: PLC0415 - the program may not use it

        for target, name, listen in _listeners():
            event.listen(target, name, listen)
        _PATCHES.apply()
        pools.publish()

    def _uninstrument(self, **_kwargs: Any) -> None:
        from sqlalchemy import event  # noqa: PLC0415 - the program may not use it
        from sqlalchemy.pool import Pool  # noqa: PLC0415

        _PATCHES.undo()
        for target, name, listen in _listeners():
            event.remove(target, name, listen)
        pools.forget(Pool)
        _databases.clear()
