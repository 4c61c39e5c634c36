# SPDX-License-Identifier: Apache-2.0
"""What upstream's instrumentations of databases do not see, and ours do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import psycopg
import pytest
import sqlalchemy
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor as UpstreamsPsycopg
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor as UpstreamsSQLAlchemy

from otel_setup.instrumentation.database.psycopg import PsycopgInstrumentor
from otel_setup.instrumentation.database.sqlalchemy import SQLAlchemyInstrumentor
from otel_setup.testing import Telemetry
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


def gap(reason: str) -> pytest.MarkDecorator:
    """Return the mark of what upstream does not do; when it does, the test says so."""
    return pytest.mark.xfail(strict=True, reason=f"upstream: {reason}")


@pytest.fixture(name="measured")
def _measured(request: pytest.FixtureRequest, otel: Telemetry) -> Iterator[None]:
    del otel
    instrumentor = request.param()
    with mock.patch.dict(os.environ, {"OTEL_SEMCONV_STABILITY_OPT_IN": "database"}):
        instrumentor.instrument()
    yield
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def both(ours: Any, theirs: Any, reason: str) -> pytest.MarkDecorator:
    """Have a test run with our instrumentor, and with upstream's as a gap."""
    return pytest.mark.parametrize(
        "measured",
        [pytest.param(ours, id="ours"), pytest.param(theirs, id="upstream's", marks=gap(reason))],
        indirect=True,
    )


@both(SQLAlchemyInstrumentor, UpstreamsSQLAlchemy, "SQLAlchemy 2.1 is passed over with a line")
@pytest.mark.usefixtures("measured")
def test_the_current_sqlalchemy_is_measured(otel: Telemetry) -> None:
    """A statement is a span."""
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()
    assert len(otel.spans) == 1


def _copy(connection: psycopg.Connection[Any]) -> None:
    with connection.cursor().copy("COPY (SELECT 1) TO STDOUT") as copy:
        assert list(copy)


def _stream(connection: psycopg.Connection[Any]) -> None:
    assert list(connection.cursor().stream("SELECT 1"))


def _server_cursor(connection: psycopg.Connection[Any]) -> None:
    with connection.cursor("reading") as cursor:
        cursor.execute("SELECT 1")


@both(PsycopgInstrumentor, UpstreamsPsycopg, "only execute and executemany of plain cursors")
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize("ask", [_copy, _stream, _server_cursor])
def test_every_way_to_ask_is_measured(
    otel: Telemetry, postgres: PostgresServer, ask: Callable[[psycopg.Connection[Any]], None]
) -> None:
    """COPY, rows as they come, and cursors on the server."""
    with psycopg.connect(postgres.crm) as connection:
        ask(connection)
    assert len(otel.spans) == 1


@both(PsycopgInstrumentor, UpstreamsPsycopg, "no label for the table")
@pytest.mark.usefixtures("measured")
def test_a_query_is_measured_by_its_table(otel: Telemetry, postgres: PostgresServer) -> None:
    """Which of them is slow stands in the metric."""
    with psycopg.connect(postgres.crm) as connection:
        connection.execute("SELECT 1 FROM pg_class LIMIT 1")
    (point,) = otel.metric("db.client.operation.duration").points
    assert point.labels["db.collection.name"] == "pg_class"


@both(PsycopgInstrumentor, UpstreamsPsycopg, "the text has what the program joined into it")
@pytest.mark.usefixtures("measured")
def test_no_value_is_in_the_text(otel: Telemetry, postgres: PostgresServer) -> None:
    """Not even in the process."""
    with psycopg.connect(postgres.crm) as connection:
        connection.execute("SELECT 1 WHERE 'secret' = 'secret'")
    assert "secret" not in str(otel.spans)
