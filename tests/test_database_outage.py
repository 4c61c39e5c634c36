# SPDX-License-Identifier: Apache-2.0
"""A database that goes away: what names it, and what the program gets, which is as before."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool, PoolTimeout

from otel_setup.instrumentation.database.psycopg import PsycopgInstrumentor
from otel_setup.instrumentation.database.psycopg_pool import PsycopgPoolInstrumentor
from otel_setup.testing import Telemetry, recorded
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

INSTRUMENTORS = (PsycopgInstrumentor, PsycopgPoolInstrumentor)


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of this file alone."""
    with PostgresServer(tmp_path_factory.mktemp("killed")) as started:
        yield started


@pytest.fixture
def _measured(otel: Telemetry) -> Iterator[None]:
    del otel
    for each in INSTRUMENTORS:
        each().instrument()
    yield
    for each in INSTRUMENTORS:
        each().uninstrument()


def _kill(server: PostgresServer) -> None:
    """End the server as a lack of memory does: kill -9 of its first process."""
    process: Any = server._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)


def _wait(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _through_an_outage(server: PostgresServer) -> list[str]:
    """Ask before, while the server is killed, and without it; return what the program got."""
    got = []
    with ConnectionPool(
        server.crm, min_size=1, max_size=1, timeout=0.5, name="shop", reconnect_timeout=5
    ) as pool:
        with pool.connection() as connection:
            got.append(str(connection.execute("SELECT 7 FROM pg_class LIMIT 1").fetchall()))
        killing = threading.Timer(0.3, _kill, [server])
        killing.start()
        try:
            with pool.connection() as connection:
                connection.execute("SELECT pg_sleep(60) FROM pg_class LIMIT 1")
        except psycopg.Error as error:
            got.append(type(error).__name__)
        killing.join()
        for _ in range(2):
            try:
                pool.getconn()
            except PoolTimeout as error:
                got.append(f"{type(error).__name__} {error}")
    return got


def test_the_program_gets_the_same_errors_with_and_without_telemetry(
    server: PostgresServer,
) -> None:
    """Rows, the end of a connection, and a pool that has none."""
    without = _through_an_outage(server)
    server.start()
    with recorded():
        for each in INSTRUMENTORS:
            each().instrument()
        try:
            measured = _through_an_outage(server)
        finally:
            for each in INSTRUMENTORS:
                each().uninstrument()
            server.start()
    assert measured == without
    assert len(measured) == 4


@pytest.mark.usefixtures("_measured")
def test_a_killed_server_is_named(otel: Telemetry, server: PostgresServer) -> None:
    """The query in work fails, connections are refused, and requests for one time out."""
    _through_an_outage(server)
    server.start()
    failed = {
        point.labels["error.type"]
        for point in otel.metric("db.client.operation.duration").points
        if "error.type" in point.labels
    }
    assert len(failed) == 1
    assert failed <= {"OperationalError", "AdminShutdown", "CrashShutdown"}
    assert sum(p.value for p in otel.metric("db.client.connection.failures").points) >= 1
    assert otel.metric("db.client.connection.timeouts").points[0].value == 2
    for metric in otel.metrics["db.client.connection.wait_time"].points:
        assert metric.value == 4


@pytest.mark.usefixtures("_measured")
def test_a_server_that_is_back_is_measured_again(otel: Telemetry, server: PostgresServer) -> None:
    """The pool connects by itself, and nobody waits any more."""
    with ConnectionPool(server.crm, min_size=1, max_size=1, timeout=0.5, name="shop") as pool:
        pool.wait(30)

        def works() -> bool:
            try:
                with pool.connection() as connection:
                    return bool(connection.execute("SELECT 1 FROM pg_class LIMIT 1").fetchall())
            except psycopg.Error:
                return False

        _kill(server)
        _wait(lambda: not works())  # its children notice a little later
        server.start()
        _wait(works)
        pending = otel.metric("db.client.connection.pending_requests").points[0].value
    assert pending == 0
    answered = [
        point.value
        for point in otel.metric("db.client.operation.duration").points
        if point.labels.get("db.collection.name") == "pg_class" and "error.type" not in point.labels
    ]
    assert len(answered) == 1
