# SPDX-License-Identifier: Apache-2.0
"""What one HTTP request asks of its database: how often, for how long, and how long it waited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from flask import Flask, Response
from flask.typing import ResponseReturnValue
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout
from starlette.concurrency import run_in_threadpool

from otel_setup.instrumentation import queries
from otel_setup.instrumentation.database.psycopg import PsycopgInstrumentor
from otel_setup.instrumentation.database.psycopg_pool import PsycopgPoolInstrumentor
from otel_setup.instrumentation.http.fastapi import FastAPIInstrumentor
from otel_setup.instrumentation.http.flask import FlaskInstrumentor
from otel_setup.testing import Telemetry
from tests.in_process import Client, ask_asgi, ask_wsgi, environ, scope
from tests.postgres_server import PostgresServer

QUERIES = "http.server.db.queries"
QUERY_TIME = "http.server.db.query.time"
WAIT_TIME = "http.server.db.wait.time"
INSTRUMENTORS = (
    *(FastAPIInstrumentor, FlaskInstrumentor),
    *(PsycopgInstrumentor, PsycopgPoolInstrumentor),
)


@pytest.fixture(autouse=True)
def _patched(otel: Telemetry) -> Iterator[None]:
    """Patch web frameworks and psycopg for one test."""
    del otel
    for instrumentor in INSTRUMENTORS:
        instrumentor().instrument()
    yield
    for instrumentor in INSTRUMENTORS:
        instrumentor().uninstrument()


@pytest.fixture(name="url", scope="module")
def _url(postgres: PostgresServer) -> str:
    """A database with ten orders of three items each."""
    with psycopg.connect(postgres.crm) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS wishes (id int, item text)")
        connection.execute("TRUNCATE wishes")
        connection.execute("INSERT INTO wishes SELECT n / 3, 'i' FROM generate_series(0, 29) n")
    return postgres.crm


def pages(url: str) -> FastAPI:  # noqa: C901 - a list of pages
    """Return an application that asks a database in each way that FastAPI has."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncConnectionPool[Any]]:
        async with AsyncConnectionPool(url, min_size=1, max_size=4, name="wishes") as pool:
            yield pool

    app = FastAPI()

    @app.get("/list")
    async def listed() -> int:
        async with opened() as pool, pool.connection() as database:
            ids = await (await database.execute("SELECT DISTINCT id FROM wishes")).fetchall()
            for each in ids:
                await database.execute("SELECT item FROM wishes WHERE id = %s", each)
        return len(ids)

    @app.get("/joined")
    def joined() -> int:  # in a thread
        with psycopg.connect(url) as database:
            return len(database.execute("SELECT id, item FROM wishes").fetchall())

    @app.get("/gathered")
    async def gathered() -> int:
        async def ask() -> None:
            async with await psycopg.AsyncConnection.connect(url) as database:
                await database.execute("SELECT count(*) FROM wishes")

        await asyncio.gather(*(ask() for _ in range(5)), run_in_threadpool(joined))
        return 6

    @app.get("/streamed")
    async def streamed() -> StreamingResponse:
        def rows() -> Iterator[bytes]:
            with psycopg.connect(url) as database:
                for row in database.execute("SELECT item FROM wishes"):
                    yield row[0].encode()

        return StreamingResponse(rows())

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> int:
        tasks.add_task(joined)
        return 0

    @app.get("/nothing")
    async def nothing() -> int:
        return 0

    return app


def of_requests(otel: Telemetry) -> dict[str, tuple[float, float]]:
    """Return number of requests and sum of queries by route."""
    found = otel.metrics.get(QUERIES)
    return (
        {point.labels["http.route"]: (point.value, point.sum) for point in found.points if found}
        if found
        else {}
    )


@pytest.mark.stack
def test_a_page_that_asks_once_for_each_row_is_seen_by_its_queries(
    otel: Telemetry, url: str
) -> None:
    """One query for the list and one for each of its rows; no single one is slow."""
    assert ask_asgi(pages(url), scope("/list")).body == b"10"
    assert of_requests(otel) == {"/list": (1, 11)}
    span = otel.span("GET /list")
    assert span.attributes[QUERIES] == 11
    assert span.attributes["http.server.db.repeated.query"] == "SELECT wishes"
    assert span.attributes["http.server.db.repeated.queries"] == 11
    (asked,), (waited,) = otel.metric(QUERY_TIME).points, otel.metric(WAIT_TIME).points
    assert (asked.sum, waited.sum) == (span.attributes[QUERY_TIME], span.attributes[WAIT_TIME])
    assert 0 < asked.sum < span.seconds
    assert 0 < waited.sum < span.seconds
    assert asked.labels == {"http.request.method": "GET", "http.route": "/list"}


@pytest.mark.stack
def test_a_page_that_joins_makes_one_query(otel: Telemetry, url: str) -> None:
    """Its thread has the context of the request; nothing of it is repeated."""
    ask_asgi(pages(url), scope("/joined"))
    assert of_requests(otel) == {"/joined": (1, 1)}
    assert "http.server.db.repeated.query" not in otel.span("GET /joined").attributes


@pytest.mark.stack
def test_queries_at_the_same_time_are_all_of_the_request(otel: Telemetry, url: str) -> None:
    """Tasks and threads that it starts add to the same sums."""
    ask_asgi(pages(url), scope("/gathered"))
    assert of_requests(otel) == {"/gathered": (1, 6)}


@pytest.mark.stack
def test_queries_of_a_stream_are_of_its_request(otel: Telemetry, url: str) -> None:
    """The answer has begun, the request has not ended."""
    ask_asgi(pages(url), scope("/streamed"))
    assert of_requests(otel) == {"/streamed": (1, 1)}


@pytest.mark.stack
def test_queries_after_the_answer_are_of_no_request(otel: Telemetry, url: str) -> None:
    """A background task makes nobody wait."""
    ask_asgi(pages(url), scope("/later"))
    assert of_requests(otel) == {}
    assert otel.metric("db.client.operation.duration").points[0].value == 1


def test_a_request_that_asks_nothing_has_no_sums(otel: Telemetry) -> None:
    """Where there is no database nothing is recorded."""
    ask_asgi(pages("postgresql://127.0.0.1:1/none"), scope("/nothing"))
    assert of_requests(otel) == {}
    assert QUERIES not in otel.span("GET /nothing").attributes


@pytest.mark.stack
def test_each_of_several_requests_has_sums_of_its_own(otel: Telemetry, url: str) -> None:
    """They run at the same time in one loop."""
    app = pages(url)

    async def main() -> None:

        clients = [Client() for _ in range(4)]
        paths = ("/list", "/joined", "/list", "/nothing")
        await asyncio.gather(
            *(
                app(scope(path), client.receive, client.send)
                for path, client in zip(paths, clients, strict=True)
            )
        )

    asyncio.run(main())
    assert of_requests(otel) == {"/list": (2, 22), "/joined": (1, 1)}


def flask_pages(url: str) -> Flask:
    """Return an application of Flask with a page that asks for each row, and a stream."""
    app = Flask(__name__)

    @app.get("/list")
    def listed() -> ResponseReturnValue:
        with psycopg.connect(url) as database:
            ids = database.execute("SELECT DISTINCT id FROM wishes").fetchall()
            for each in ids:
                database.execute("SELECT item FROM wishes WHERE id = %s", each)
        return str(len(ids))

    @app.get("/streamed")
    def streamed() -> ResponseReturnValue:
        def rows() -> Iterator[str]:
            with psycopg.connect(url) as database:
                for row in database.execute("SELECT item FROM wishes"):
                    yield row[0]

        return Response(rows())

    return app


@pytest.mark.stack
@pytest.mark.parametrize(("path", "asked"), [("/list", 11), ("/streamed", 1)])
def test_flask_counts_the_same(otel: Telemetry, url: str, path: str, asked: int) -> None:
    """A page that asks for each row, and a stream that asks while it is sent."""
    ask_wsgi(flask_pages(url), environ(path))
    assert of_requests(otel) == {path: (1, asked)}
    assert otel.span(f"GET {path}").attributes[QUERIES] == asked


@pytest.mark.stack
def test_waiting_for_a_connection_is_told_apart_from_asking(otel: Telemetry, url: str) -> None:
    """A pool that is kept busy makes a page slow whose queries are fast."""
    app = Flask(__name__)
    with ConnectionPool(url, min_size=1, max_size=1, name="wishes") as pool:
        held, released = threading.Event(), threading.Event()

        @app.get("/page")
        def page() -> ResponseReturnValue:
            with pool.connection() as database:
                database.execute("SELECT 1 FROM wishes")
            return "ok"

        def hold() -> None:
            with pool.connection():
                held.set()
                released.wait(30)

        holding = threading.Thread(target=hold)
        holding.start()
        assert held.wait(30)
        threading.Timer(0.3, released.set).start()
        ask_wsgi(app, environ("/page"))
        holding.join()
    span = otel.span("GET /page")
    assert span.attributes[WAIT_TIME] >= 0.25
    assert span.attributes[QUERY_TIME] < span.attributes[WAIT_TIME]


@pytest.mark.stack
def test_a_request_that_got_no_connection_waited_and_asked_nothing(
    otel: Telemetry, url: str
) -> None:
    """Its error is the pool's own."""
    app = Flask(__name__)
    app.testing = True
    with ConnectionPool(url, min_size=1, max_size=1, name="wishes") as pool, pool.connection():

        @app.get("/page")
        def page() -> ResponseReturnValue:
            pool.getconn(timeout=0.1)
            return "never"

        with pytest.raises(PoolTimeout):
            ask_wsgi(app, environ("/page"))
    assert of_requests(otel) == {"/page": (1, 0)}
    assert otel.span("GET /page").attributes[WAIT_TIME] >= 0.1


def test_sums_of_a_request_are_bounded() -> None:
    """Fifty kinds of query are told apart; the number has all of them."""
    sums = queries.Queries()
    for number in range(1000):
        sums.add(f"SELECT t{number}", 0.001)
    sums.add("SELECT t7", 0.001)
    assert (sums.count, sums.most_repeated(), len(sums._repeats)) == (1001, ("SELECT t7", 2), 50)


def test_sums_are_right_whoever_adds() -> None:
    """Threads of one request add at the same time."""
    sums = queries.Queries()

    def add() -> None:
        for _ in range(2000):
            sums.add("SELECT a", 0.5)
            sums.wait(0.5)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (sums.count, sums.asking, sums.waiting) == (16_000, 8000.0, 8000.0)
