# SPDX-License-Identifier: Apache-2.0
"""SQLAlchemy's statements and pools: measured once, whichever driver is below."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from flask import Flask
from flask.typing import ResponseReturnValue
from sqlalchemy import event, orm, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, Pool, QueuePool, StaticPool

from otel_setup.instrumentation.database.psycopg import PsycopgInstrumentor
from otel_setup.instrumentation.database.sqlalchemy import SQLAlchemyInstrumentor
from otel_setup.instrumentation.http.flask import FlaskInstrumentor
from otel_setup.testing import Telemetry
from tests import http_matrix, programs
from tests.in_process import ask_wsgi, environ
from tests.otlp_sink import Sink
from tests.postgres_server import PostgresServer

DURATION = "db.client.operation.duration"
POOL = "db.client.connection.pool.name"


@pytest.fixture(name="address")
def _address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture(params=["made before", "made after"])
def engine(request: pytest.FixtureRequest, address: str, otel: Telemetry) -> Iterator[Engine]:
    """An engine that was made before SQLAlchemy was instrumented, or after; the same tests."""
    del otel
    early = make(address) if request.param == "made before" else None
    SQLAlchemyInstrumentor().instrument()
    made = early or make(address)
    try:
        yield made
    finally:
        made.dispose()
        SQLAlchemyInstrumentor().uninstrument()


@pytest.fixture(name="measured")
def _measured(otel: Telemetry) -> Iterator[None]:
    """Measure SQLAlchemy, psycopg and Flask."""
    del otel
    kinds = (SQLAlchemyInstrumentor, PsycopgInstrumentor, FlaskInstrumentor)
    for each in kinds:
        each().instrument()
    yield
    for each in kinds:
        each().uninstrument()


def make(address: str, **options: Any) -> Engine:
    """Return an engine with a pool of at most two connections."""
    chosen = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 1, "pool_timeout": 0.2}
    return sqlalchemy.create_engine(address, **{**chosen, **options})


def counts(otel: Telemetry) -> dict[tuple[str, str, str], float]:
    """Return how often what was measured: operation, table and error."""
    return {
        (
            point.labels.get("db.operation.name", ""),
            point.labels.get("db.collection.name", ""),
            point.labels.get("error.type", ""),
        ): point.value
        for point in otel.metrics[DURATION].points
    }


def gauges(otel: Telemetry) -> dict[str, float]:
    """Return what pools say of themselves."""
    found = {}
    for name in ("count", "max", "pending_requests"):
        metric = otel.metrics.get(f"db.client.connection.{name}")
        for point in metric.points if metric else ():
            found[point.labels.get("db.client.connection.state", name)] = point.value
    return found


class Base(orm.DeclarativeBase):
    """The tables of the test."""


class Order(Base):
    """An order with its items."""

    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    items: orm.Mapped[list[Item]] = orm.relationship()


class Item(Base):
    """One item of an order."""

    __tablename__ = "items"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    order_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.ForeignKey("orders.id"))


def test_the_release_under_test_is_the_current_one() -> None:
    """Upstream's instrumentation stops before it."""
    assert sqlalchemy.__version__ >= "2.1"


def test_a_statement_is_a_span_with_what_the_conventions_ask_for(
    otel: Telemetry, engine: Engine, address: str
) -> None:
    """Database, operation, table, text without values, summary."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id int, name text)"))
        connection.execute(text("INSERT INTO orders VALUES (1, 'secret')"))
    span = otel.span("INSERT orders")
    assert (span.kind, span.status) == ("CLIENT", "UNSET")
    assert span.attributes == {
        "db.system.name": "sqlite",
        "db.namespace": address.removeprefix("sqlite:///"),
        "db.operation.name": "INSERT",
        "db.collection.name": "orders",
        "db.query.text": "INSERT INTO orders VALUES (?, ?)",
        "db.query.summary": "INSERT orders",
        "db.response.returned_rows": 1,
    }
    assert counts(otel) == {("CREATE", "orders", ""): 1, ("INSERT", "orders", ""): 1}


def test_the_orm_is_measured(otel: Telemetry, engine: Engine) -> None:
    """Rows that go together in one statement are one; lazy lists are one each."""
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all(Order(id=n, items=[Item(id=n)]) for n in range(1, 6))
        session.commit()
    with orm.Session(engine) as session:
        assert sum(len(order.items) for order in session.scalars(sqlalchemy.select(Order))) == 5
    seen = counts(otel)
    assert seen["INSERT", "orders", ""] == 1
    assert seen["SELECT", "orders", ""] == 1
    assert seen["SELECT", "items", ""] == 5
    batch = otel.span("INSERT orders").attributes["db.operation.batch.size"]
    assert batch == 5


def test_an_error_is_named_by_the_drivers_class(otel: Telemetry, engine: Engine) -> None:
    """The program gets SQLAlchemy's, as it does without telemetry."""
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError):
        connection.execute(text("SELECT * FROM nowhere"))
    assert counts(otel) == {("SELECT", "nowhere", "OperationalError"): 1}
    span = otel.span("SELECT nowhere")
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "OperationalError")


def test_uninstrument_gives_the_library_back(otel: Telemetry, address: str) -> None:
    """After uninstrument nothing is measured, and nobody listens any more."""
    connect, raw = Pool.connect, Engine.raw_connection
    SQLAlchemyInstrumentor().instrument()
    SQLAlchemyInstrumentor().uninstrument()
    assert (Pool.connect, Engine.raw_connection) == (connect, raw)
    made = make(address)
    with made.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert otel.spans == []
    assert list(made.dispatch.before_cursor_execute) == []  # type: ignore[attr-defined]
    assert list(made.pool.dispatch.checkin) == []  # type: ignore[attr-defined]
    made.dispose()


@pytest.mark.usefixtures("measured")
def test_listeners_of_the_program_are_called_as_before(otel: Telemetry, address: str) -> None:
    """One of them may change the statement; the one that is asked is shown."""
    made = make(address)

    @event.listens_for(made, "before_cursor_execute", retval=True)
    def _change(*args: Any) -> tuple[str, Any]:
        return args[2].replace("1", "2"), args[3]

    with made.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 2
    made.dispose()
    assert [span.name for span in otel.spans] == ["SELECT"]


# ---- pools


def test_a_pool_tells_what_it_has_and_lends(otel: Telemetry, engine: Engine) -> None:
    """Size and overflow together are the most; both states are there from the start."""
    with engine.connect(), engine.connect():
        assert gauges(otel) == {"idle": 0, "used": 2, "max": 2, "pending_requests": 0}
    assert gauges(otel) == {"idle": 1, "used": 0, "max": 2, "pending_requests": 0}


def test_a_pool_is_named_after_its_database_unless_it_has_a_name(
    otel: Telemetry, engine: Engine, address: str
) -> None:
    """Two pools of a service can be told apart."""
    with engine.connect():
        pass
    named = make(address, pool_logging_name="reports")
    with named.connect():
        pass
    names = {point.labels[POOL] for point in otel.metric("db.client.connection.max").points}
    named.dispose()
    assert names == {address.removeprefix("sqlite:///"), "reports"}


def test_who_waits_is_counted_while_waiting_and_not_after(otel: Telemetry, engine: Engine) -> None:
    """Who gave up waits no longer, and is counted as a timeout."""
    errors: list[Exception] = []

    def ask() -> None:
        try:
            engine.connect()
        except sqlalchemy.exc.TimeoutError as error:
            errors.append(error)

    with engine.connect(), engine.connect():
        asking = threading.Thread(target=ask)
        asking.start()
        seen = 0.0
        while asking.is_alive() and not seen:
            seen = gauges(otel)["pending_requests"]
        asking.join()
        assert (seen, gauges(otel)["pending_requests"], len(errors)) == (1, 0, 1)
    (timeouts,) = otel.metric("db.client.connection.timeouts").points
    (waits,) = otel.metric("db.client.connection.wait_time").points
    (uses,) = otel.metric("db.client.connection.use_time").points
    assert (timeouts.value, waits.value, uses.value) == (1, 3, 2)
    assert waits.sum >= 0.2


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("kind", [NullPool, StaticPool])
def test_a_pool_that_keeps_nothing_has_times_only(
    otel: Telemetry, address: str, kind: type[Pool]
) -> None:
    """Nobody waits for another: there is no number of connections to compare with."""
    made = sqlalchemy.create_engine(address, poolclass=kind)
    with made.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert gauges(otel) == {"pending_requests": 0}
    made.dispose()
    assert otel.metric("db.client.connection.wait_time").points[0].value == 1
    assert otel.metric("db.client.connection.use_time").points[0].value == 1


@pytest.mark.usefixtures("measured")
def test_a_pool_that_its_program_forgot_is_not_reported(otel: Telemetry, address: str) -> None:
    """Being observed does not keep it alive, and a new one takes its place."""
    made = make(address)
    with made.connect():
        pass
    made.dispose()  # the engine has a new pool now
    with made.connect():
        assert gauges(otel)["max"] == 2
    made.dispose()


# ---- the driver that is measured itself


@pytest.mark.stack
@pytest.mark.usefixtures("measured")
def test_a_statement_on_psycopg_is_measured_once(otel: Telemetry, postgres: PostgresServer) -> None:
    """By the driver: SQLAlchemy adds its pool."""
    made = make(postgres.crm.replace("postgresql://", "postgresql+psycopg://"))
    with made.connect() as connection:
        otel_before = len(otel.spans)  # SQLAlchemy asks for the version first
        assert connection.execute(text("SELECT 7 AS seven")).scalar() == 7
        (span,) = otel.spans[otel_before:]
    names = {point.labels[POOL] for point in otel.metric("db.client.connection.max").points}
    made.dispose()
    assert span.attributes["db.namespace"] == "crm"
    assert span.attributes["server.port"] == made.url.port
    assert sum(counts(otel).values()) == len(otel.spans)
    assert names == {f"127.0.0.1:{made.url.port}/crm"}


@pytest.mark.stack
def test_a_statement_on_psycopg_is_measured_when_only_sqlalchemy_is(
    otel: Telemetry, postgres: PostgresServer
) -> None:
    """Whoever leaves the driver out has it measured from above."""
    SQLAlchemyInstrumentor().instrument()
    made = make(postgres.crm.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with made.connect() as connection:
            connection.execute(text("SELECT 7 FROM pg_class LIMIT 3"))
    finally:
        made.dispose()
        SQLAlchemyInstrumentor().uninstrument()
    assert counts(otel)["SELECT", "pg_class", ""] == 1


@pytest.mark.stack
@pytest.mark.usefixtures("measured")
def test_an_asynchronous_engine_is_measured_once(otel: Telemetry, postgres: PostgresServer) -> None:
    """Statements by the driver, waits by the pool, which has a queue of its own."""
    address = postgres.crm.replace("postgresql://", "postgresql+psycopg_async://")

    async def main() -> None:
        made = create_async_engine(address, pool_size=1, max_overflow=0, pool_timeout=0.2)
        async with made.connect() as connection:
            await connection.execute(text("SELECT 1 FROM pg_class LIMIT 2"))
            with pytest.raises(sqlalchemy.exc.TimeoutError):
                await made.connect()
        await made.dispose()

    asyncio.run(main())
    assert counts(otel)["SELECT", "pg_class", ""] == 1
    assert otel.metric("db.client.connection.timeouts").points[0].value == 1


@pytest.mark.usefixtures("measured")
def test_a_page_that_asks_once_for_each_row_is_seen(otel: Telemetry, address: str) -> None:
    """A lazy relationship is the classic: one query for the list, one for each of its rows."""
    made = make(address)
    Base.metadata.create_all(made)
    with orm.Session(made) as session:
        session.add_all(Order(id=n, items=[Item(id=n)]) for n in range(1, 6))
        session.commit()
    app = Flask(__name__)

    @app.get("/orders")
    def orders() -> ResponseReturnValue:
        with orm.Session(made) as session:
            listed = session.scalars(sqlalchemy.select(Order))
            return str(sum(len(order.items) for order in listed))

    ask_wsgi(app, environ("/orders"))
    made.dispose()
    span = otel.span("GET /orders")
    assert span.attributes["http.server.db.queries"] == 6
    assert span.attributes["http.server.db.repeated.query"] == "SELECT items"
    assert span.attributes["http.server.db.repeated.queries"] == 5


@pytest.mark.usefixtures("measured")
def test_a_database_that_cannot_be_opened_is_counted(otel: Telemetry, tmp_path: Path) -> None:
    """Of a driver that is not measured itself SQLAlchemy tells."""
    made = make(f"sqlite:///{tmp_path}/no/such/folder/shop.db")
    with pytest.raises(sqlalchemy.exc.OperationalError):
        made.connect()
    assert sum(point.value for point in otel.metric("db.client.connection.failures").points) == 1


# ---- the releases, and who comes first


PROGRAM = """
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool
{early}
import otel_setup.auto
{late}
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE orders (id int)"))
    connection.execute(text("INSERT INTO orders VALUES (1)"))
"""
MADE = "engine = create_engine('sqlite:///:memory:', poolclass=QueuePool)"


@pytest.mark.stack
@pytest.mark.parametrize("environment", ["current", "sqlalchemy-2.0"])
@pytest.mark.parametrize("order", ["engine first", "telemetry before the engine", "import last"])
def test_each_release_is_measured_once_whoever_comes_first(
    sink: Sink, environment: str, order: str
) -> None:
    """One span and one measurement for each statement, though upstream's is installed as well."""
    if order == "engine first":
        code = PROGRAM.format(early=MADE, late="")
    else:
        code = PROGRAM.format(early="", late=MADE)
    if order == "import last":
        code = f"import otel_setup.auto\n{code}"
    ended = subprocess.run(
        [http_matrix.python(environment), "-c", code],
        env=programs.environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="otel_setup_process",  # it has no psutil
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [span.name for span in sink.spans] == ["CREATE orders", "INSERT orders"]
    measured = {point.attributes["db.operation.name"] for point in sink.metric(DURATION)}
    assert measured == {"CREATE", "INSERT"}
