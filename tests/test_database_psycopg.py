# SPDX-License-Identifier: Apache-2.0
"""Statements of psycopg on a real PostgreSQL: each is one span and one measurement."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from psycopg import sql
from psycopg.rows import dict_row, scalar_row

from otel_setup.instrumentation.database.psycopg import PsycopgInstrumentor
from otel_setup.testing import Telemetry
from tests.postgres_server import PostgresServer
from tests.programs import free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

DURATION = "db.client.operation.duration"
ROWS = "db.client.response.returned_rows"
ACTIVE = psycopg.pq.TransactionStatus.ACTIVE

Sync = psycopg.Connection[Any]
Async = psycopg.AsyncConnection[Any]


@pytest.fixture(name="url", scope="module")
def _url(postgres: PostgresServer) -> str:
    """A database with a table of 250 things."""
    with psycopg.connect(postgres.crm) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS depot")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS depot.things (id int PRIMARY KEY, name text)"
        )
        connection.execute("TRUNCATE depot.things")
        connection.execute("INSERT INTO depot.things SELECT n, 'n' FROM generate_series(1, 250) n")
    return postgres.crm


@pytest.fixture(params=["connected before", "connected after"])
def connection(request: pytest.FixtureRequest, url: str, otel: Telemetry) -> Iterator[Sync]:
    """A connection that was made before psycopg was instrumented, or after; the same tests."""
    del otel
    early = psycopg.connect(url) if request.param == "connected before" else None
    PsycopgInstrumentor().instrument()
    try:
        with early or psycopg.connect(url) as made:
            yield made
            made.rollback()
    finally:
        PsycopgInstrumentor().uninstrument()


@pytest.fixture(name="measured")
def _measured(otel: Telemetry) -> Iterator[None]:
    """Measure psycopg."""
    del otel
    PsycopgInstrumentor().instrument()
    yield
    PsycopgInstrumentor().uninstrument()


def seen(otel: Telemetry) -> list[tuple[str, int | None]]:
    """Return the name and the number of rows of each span."""
    return [(span.name, span.attributes.get("db.response.returned_rows")) for span in otel.spans]


def counts(otel: Telemetry, name: str = DURATION) -> dict[tuple[str, str, str], float]:
    """Return how often what was measured: operation, table and error."""
    return {
        (
            point.labels.get("db.operation.name", ""),
            point.labels.get("db.collection.name", ""),
            point.labels.get("error.type", ""),
        ): point.value
        for point in otel.metrics[name].points
    }


def test_a_statement_is_a_span_with_what_the_conventions_ask_for(
    otel: Telemetry, connection: Sync
) -> None:
    """Server, database, operation, table, text without values, summary, rows."""
    connection.execute("SELECT name FROM depot.things WHERE id < 11 AND name = %s", ("n",))
    span = otel.span("SELECT depot.things")
    assert (span.kind, span.status) == ("CLIENT", "UNSET")
    assert span.attributes == {
        "db.system.name": "postgresql",
        "db.namespace": "crm",
        "db.operation.name": "SELECT",
        "db.collection.name": "depot.things",
        "db.query.text": "SELECT name FROM depot.things WHERE id < ? AND name = %s",
        "db.query.summary": "SELECT depot.things",
        "db.response.returned_rows": 10,
        "server.address": "127.0.0.1",
        "server.port": connection.info.port,
    }


def test_a_statement_is_measured_once_with_the_same_labels(
    otel: Telemetry, connection: Sync
) -> None:
    """Its duration and its rows, and the exemplar leads to its span."""
    connection.execute("SELECT name FROM depot.things")
    expected = {
        "db.system.name": "postgresql",
        "db.namespace": "crm",
        "db.operation.name": "SELECT",
        "db.collection.name": "depot.things",
        "server.address": "127.0.0.1",
        "server.port": connection.info.port,
    }
    (duration,), (rows,) = otel.metric(DURATION).points, otel.metric(ROWS).points
    assert (duration.labels, duration.value) == (expected, 1)
    assert (rows.labels, rows.value, rows.sum) == (expected, 1, 250)
    span = otel.span("SELECT depot.things")
    assert duration.exemplars == ((span.trace_id, span.span_id),)
    assert 0 < duration.sum <= span.seconds


def _composed(connection: Sync) -> None:
    table = sql.Identifier("depot", "things")
    connection.execute(sql.SQL("SELECT * FROM {} WHERE name = {}").format(table, "secret"))


def _many(connection: Sync) -> None:
    rows = [(1000, "a"), (1001, "b"), (1002, "c")]
    connection.cursor().executemany("INSERT INTO depot.things VALUES (%s, %s)", rows)


def _many_returning(connection: Sync) -> None:
    cursor = connection.cursor()
    cursor.executemany(
        "UPDATE depot.things SET name = %s RETURNING id", [("a",), ("b",)], returning=True
    )


def _copied_in(connection: Sync) -> None:
    with connection.cursor().copy("COPY depot.things FROM STDIN") as copy:
        for number in range(2000, 2007):
            copy.write_row((number, "x"))


def _copied_out(connection: Sync) -> None:
    with connection.cursor().copy("COPY depot.things TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 250


def _streamed(connection: Sync) -> None:
    assert len(list(connection.cursor().stream("SELECT * FROM depot.things"))) == 250


def _stream_left_early(connection: Sync) -> None:
    rows = connection.cursor().stream("SELECT * FROM depot.things")
    assert [next(rows)[0] for _ in range(3)] == [1, 2, 3]
    rows.close()  # type: ignore[attr-defined]


def _on_the_server(connection: Sync) -> None:
    with connection.cursor("reading") as cursor:
        cursor.execute("SELECT * FROM depot.things")
        assert len(cursor.fetchmany(10)) == 10
        assert len(list(cursor)) == 240  # pages of a hundred


def _pipelined(connection: Sync) -> None:
    with connection.pipeline():
        first = connection.execute("SELECT 1 FROM depot.things")
        connection.execute("UPDATE depot.things SET name = 'y' WHERE id < 4")
        assert len(first.fetchall()) == 250
        connection.execute("DELETE FROM depot.things WHERE id > 240")


def _with_a_client_cursor(connection: Sync) -> None:
    psycopg.ClientCursor(connection).execute("SELECT * FROM depot.things WHERE id < %s", (3,))


def _with_a_raw_cursor(connection: Sync) -> None:
    psycopg.RawCursor(connection).execute("SELECT * FROM depot.things WHERE id < $1", (3,))


class _Own(psycopg.Cursor[Any]):
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        return super().execute(*args, **kwargs)


def _with_an_own_cursor(connection: Sync) -> None:
    _Own(connection).execute("SELECT * FROM depot.things WHERE id < 3")


def _as_dicts(connection: Sync) -> None:
    cursor = connection.cursor(row_factory=dict_row)
    assert cursor.execute("SELECT id FROM depot.things WHERE id = 1").fetchall() == [{"id": 1}]


def _by_keyword(connection: Sync) -> None:
    connection.execute(query="SELECT * FROM depot.things", params=None)


def _bytes(connection: Sync) -> None:
    connection.execute(b"SELECT * FROM depot.things")


def _binary(connection: Sync) -> None:
    connection.execute("SELECT * FROM depot.things", binary=True, prepare=True)


WAYS: dict[str, tuple[Callable[[Sync], None], list[tuple[str, int | None]]]] = {
    "composed": (_composed, [("SELECT depot.things", 0)]),
    "executemany": (_many, [("INSERT depot.things", 3)]),
    # Of each row's own result the first is the current one.
    "executemany, returning": (_many_returning, [("UPDATE depot.things", 250)]),
    "copy in": (_copied_in, [("COPY depot.things", 7)]),
    "copy out": (_copied_out, [("COPY depot.things", 250)]),
    "stream": (_streamed, [("SELECT depot.things", 250)]),
    "stream, left early": (_stream_left_early, [("SELECT depot.things", 3)]),
    "server cursor": (
        _on_the_server,
        [
            ("SELECT depot.things", None),
            *(("FETCH depot.things", rows) for rows in (10, 100, 100, 40)),
        ],
    ),
    "pipeline": (
        _pipelined,
        [("SELECT depot.things", 250), ("UPDATE depot.things", 3), ("DELETE depot.things", 10)],
    ),
    "client cursor": (_with_a_client_cursor, [("SELECT depot.things", 2)]),
    "raw cursor": (_with_a_raw_cursor, [("SELECT depot.things", 2)]),
    "own cursor": (_with_an_own_cursor, [("SELECT depot.things", 2)]),
    "row factory": (_as_dicts, [("SELECT depot.things", 1)]),
    "by keyword": (_by_keyword, [("SELECT depot.things", 250)]),
    "bytes": (_bytes, [("SELECT depot.things", 250)]),
    "binary, prepared": (_binary, [("SELECT depot.things", 250)]),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_ask_is_measured(otel: Telemetry, connection: Sync, way: str) -> None:
    """One span and one measurement for each statement that the server gets."""
    act, expected = WAYS[way]
    act(connection)
    assert seen(otel) == expected
    assert sum(counts(otel).values()) == len(expected)
    assert "secret" not in str(otel.spans)


def test_c_is_measured() -> None:
    """The tests of this file are about psycopg's implementation in C."""
    assert psycopg.pq.__impl__ == "binary"


# ---- asyncio


async def _async_composed(connection: Async) -> None:
    await connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("depot", "things")))


async def _async_many(connection: Async) -> None:
    await connection.cursor().executemany(
        "INSERT INTO depot.things VALUES (%s, %s)", [(1000, "a"), (1001, "b"), (1002, "c")]
    )


async def _async_copied(connection: Async) -> None:
    async with connection.cursor().copy("COPY depot.things TO STDOUT") as copy:
        assert len([row async for row in copy.rows()]) == 250


async def _async_streamed(connection: Async) -> None:
    rows = connection.cursor().stream("SELECT * FROM depot.things")
    assert len([row async for row in rows]) == 250


async def _async_stream_left_early(connection: Async) -> None:
    rows = connection.cursor().stream("SELECT * FROM depot.things")
    async for row in rows:
        if row[0] == 3:
            break
    await rows.aclose()  # type: ignore[attr-defined]


async def _async_on_the_server(connection: Async) -> None:
    async with connection.cursor("reading") as cursor:
        await cursor.execute("SELECT * FROM depot.things")
        assert len(await cursor.fetchmany(10)) == 10
        assert len([row async for row in cursor]) == 240


async def _async_pipelined(connection: Async) -> None:
    async with connection.pipeline():
        first = await connection.execute("SELECT 1 FROM depot.things")
        await connection.execute("UPDATE depot.things SET name = 'y' WHERE id < 4")
        assert len(await first.fetchall()) == 250
        await connection.execute("DELETE FROM depot.things WHERE id > 240")


ASYNC_WAYS: dict[str, tuple[Callable[[Async], Awaitable[None]], str]] = {
    "composed": (_async_composed, "row factory"),
    "executemany": (_async_many, "executemany"),
    "copy out": (_async_copied, "copy out"),
    "stream": (_async_streamed, "stream"),
    "stream, left early": (_async_stream_left_early, "stream, left early"),
    "server cursor": (_async_on_the_server, "server cursor"),
    "pipeline": (_async_pipelined, "pipeline"),
}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Async]:
    """Connect, and leave nothing behind."""
    connection = await psycopg.AsyncConnection.connect(url)
    try:
        yield connection
    finally:
        await connection.rollback()
        await connection.close()


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("way", ASYNC_WAYS)
def test_each_way_to_ask_is_measured_under_asyncio_too(otel: Telemetry, url: str, way: str) -> None:
    """The same statements give the same telemetry."""
    act, twin = ASYNC_WAYS[way]

    async def main() -> None:
        async with connected(url) as connection:
            await act(connection)

    asyncio.run(main())
    expected = [("SELECT depot.things", 250)] if way == "composed" else WAYS[twin][1]
    assert seen(otel) == expected
    assert sum(counts(otel).values()) == len(expected)


@pytest.mark.usefixtures("measured")
def test_a_cancelled_statement_is_counted_as_that(otel: Telemetry, url: str) -> None:
    """A client that hangs up is no failure of the database, but its statement ended."""

    async def main() -> None:
        async with connected(url) as connection:
            asked = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))  # type: ignore[arg-type]
            while not asked.done() and connection.pgconn.transaction_status != ACTIVE:  # noqa: ASYNC110 - libpq tells nobody
                await asyncio.sleep(0.01)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    asyncio.run(main())
    assert counts(otel) == {("SELECT", "", "CancelledError"): 1}
    assert otel.span("SELECT").events == ()


# ---- errors


def _ignoring_traceback(act: Callable[[], object]) -> tuple[str, str, str | None]:
    with pytest.raises(psycopg.Error) as raised:
        act()
    error = raised.value
    return type(error).__name__, str(error), error.sqlstate


MISTAKES = {
    "duplicate": "INSERT INTO depot.things VALUES (1, 'secret')",
    "no such table": "SELECT * FROM nowhere",
    "syntax": "SELEKT 1",
    "too slow": "SET LOCAL statement_timeout = 20; SELECT pg_sleep(30)",
    "placeholder": "SELECT %s",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_error_is_the_same_with_and_without_telemetry(
    url: str, otel: Telemetry, mistake: str
) -> None:
    """Class, message and SQLSTATE reach the program unchanged."""
    del otel
    told = []
    for measure in (False, True):
        if measure:
            PsycopgInstrumentor().instrument()
        try:
            with psycopg.connect(url) as connection:
                told.append(_ignoring_traceback(lambda: connection.execute(MISTAKES[mistake])))
                connection.rollback()
        finally:
            if measure:
                PsycopgInstrumentor().uninstrument()
    assert told[0] == told[1]


def test_an_error_is_named_by_its_class_and_its_sqlstate(otel: Telemetry, connection: Sync) -> None:
    """The class is a label; a value that PostgreSQL repeats is in no name."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(MISTAKES["duplicate"])
    span = otel.span("INSERT depot.things")
    assert span.status == "ERROR"
    assert span.attributes["error.type"] == "UniqueViolation"
    assert span.attributes["db.response.status_code"] == "23505"
    assert [event.name for event in span.events] == ["exception"]
    assert counts(otel) == {("INSERT", "depot.things", "UniqueViolation"): 1}
    assert "secret" not in str(span.attributes)


def test_a_statement_that_takes_too_long_is_named(otel: Telemetry, connection: Sync) -> None:
    """The server cancels it; the time until then counts."""
    connection.execute("SET LOCAL statement_timeout = 50")
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(30) FROM depot.things")
    (slow,) = [p for p in otel.metric(DURATION).points if "error.type" in p.labels]
    assert (slow.labels["error.type"], slow.labels["db.collection.name"]) == (
        "QueryCanceled",
        "depot.things",
    )
    assert slow.sum >= 0.05


@pytest.mark.usefixtures("measured")
def test_a_deadlock_is_named_where_it_was_broken(otel: Telemetry, url: str) -> None:
    """One of two transactions in opposite order gets the error, the other its answer."""
    both = threading.Barrier(2)
    refused = []

    def change(first: int, second: int) -> None:
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE depot.things SET name = 'd' WHERE id = %s", (first,))
            both.wait(30)
            try:
                connection.execute("UPDATE depot.things SET name = 'd' WHERE id = %s", (second,))
            except psycopg.errors.DeadlockDetected as error:
                refused.append(error.sqlstate)
            connection.rollback()

    threads = [threading.Thread(target=change, args=each) for each in ((1, 2), (2, 1))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert refused == ["40P01"]
    assert counts(otel)["UPDATE", "depot.things", "DeadlockDetected"] == 1
    assert counts(otel)["UPDATE", "depot.things", ""] == 3


@pytest.mark.usefixtures("measured")
def test_what_fails_in_a_pipeline_is_named_and_the_rest_too(otel: Telemetry, url: str) -> None:
    """The statement that failed has its own error; what came behind was not done."""

    def ask(connection: Sync) -> None:
        with connection.pipeline():
            connection.execute("SELECT 1 FROM depot.things")
            connection.execute("SELECT 1 FROM nowhere")
            connection.execute("DELETE FROM depot.things")

    with psycopg.connect(url) as connection:
        with pytest.raises(psycopg.errors.UndefinedTable):
            ask(connection)
        connection.rollback()
    assert counts(otel) == {
        ("SELECT", "depot.things", ""): 1,
        ("SELECT", "nowhere", "UndefinedTable"): 1,
        ("DELETE", "depot.things", "PipelineAborted"): 1,
    }


@pytest.mark.usefixtures("measured")
def test_a_connection_killed_in_a_query_is_named(otel: Telemetry, url: str) -> None:
    """Its statement fails; so does the next one on the dead connection."""
    with psycopg.connect(url) as connection, psycopg.connect(url) as other:
        pid = connection.info.backend_pid
        with suppress_instrumentation():
            killing = threading.Timer(
                0.2, other.execute, ("SELECT pg_terminate_backend(%s)", (pid,))
            )
            killing.start()
        cursor = connection.cursor()
        with pytest.raises(psycopg.errors.AdminShutdown):
            cursor.execute("SELECT pg_sleep(30)")
        killing.join()
        with pytest.raises(psycopg.OperationalError):
            cursor.execute("SELECT 1")
    failed = {key[2]: value for key, value in counts(otel).items() if key[2]}
    assert failed == {"AdminShutdown": 1, "OperationalError": 1}


# ---- what is left alone


def test_what_is_suppressed_is_not_measured(otel: Telemetry, connection: Sync) -> None:
    """Telemetry that asks a database is no work of the service."""
    with suppress_instrumentation():
        connection.execute("SELECT 1")
    assert (otel.spans, DURATION in otel.metrics) == ([], False)


def test_a_pools_check_of_its_connection_is_no_query(otel: Telemetry, connection: Sync) -> None:
    """It asks nothing: the text is empty."""
    connection.execute("")
    assert (otel.spans, DURATION in otel.metrics) == ([], False)


def test_uninstrument_gives_the_library_back(otel: Telemetry, url: str) -> None:
    """Every method is the one that it was, and nothing is measured any more."""
    kinds = (psycopg.Cursor, psycopg.AsyncCursor, psycopg.ServerCursor, psycopg.AsyncServerCursor)
    before = [dict(vars(kind)) for kind in kinds]
    PsycopgInstrumentor().instrument()
    assert before != [dict(vars(kind)) for kind in kinds]
    PsycopgInstrumentor().uninstrument()
    assert before == [dict(vars(kind)) for kind in kinds]
    with psycopg.connect(url, row_factory=scalar_row) as connection:
        assert connection.execute("SELECT 7").fetchone() == 7
    assert otel.spans == []


# ---- connections that are refused


FAILURES = "db.client.connection.failures"


def failures(otel: Telemetry) -> dict[tuple[object, object], float]:
    """Return the failures to connect by host and port."""
    return {
        (point.labels.get("server.address"), point.labels.get("server.port")): point.value
        for point in otel.metric(FAILURES).points
    }


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_refused_connection_is_counted_by_its_server(otel: Telemetry, host: str) -> None:
    """Whether nobody listens or nobody knows the name; the error is psycopg's own."""
    port = free_port()
    address = f"postgresql://{host}:{port}/shop"

    async def main() -> None:
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(address)

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address, connect_timeout=5)
    asyncio.run(main())
    assert failures(otel) == {(host, port): 2}
    assert otel.spans == []


@pytest.mark.usefixtures("measured")
def test_failures_to_connect_are_counted_from_zero_on(otel: Telemetry, url: str) -> None:
    """A counter that is first seen at 1 has not risen for whoever reads it."""
    with psycopg.connect(url) as connection:
        place = (connection.info.host, connection.info.port)
    assert failures(otel) == {place: 0}


@pytest.mark.usefixtures("measured")
def test_a_refused_password_is_a_failure_to_connect(otel: Telemetry, url: str) -> None:
    """The server is there and says no."""
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, password="wrong")  # noqa: S106 - it is meant to be wrong
    assert set(failures(otel).values()) == {1}


@pytest.mark.usefixtures("measured")
def test_a_connection_that_nobody_answers_is_a_failure(otel: Telemetry) -> None:
    """A port that accepts and says nothing, until the time is up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            psycopg.connect(f"postgresql://127.0.0.1:{port}/shop", connect_timeout=2)
    gc.collect()
    assert failures(otel) == {("127.0.0.1", port): 1}


@pytest.mark.usefixtures("measured")
def test_a_server_that_only_the_environment_names_is_named(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As libpq reads it."""
    port = free_port()
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(port))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect()
    assert failures(otel) == {("127.0.0.1", port): 1}
