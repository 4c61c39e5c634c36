# SPDX-License-Identifier: Apache-2.0
"""The reader of PostgreSQL, on a real server: sessions, locks, transactions, statements."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from otel_setup import _guard
from otel_setup.postgresql import Reader, watch
from otel_setup.testing import Telemetry
from tests.otlp_sink import Sink
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

DATABASE = "postgresql.database.name"


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as started:
        with psycopg.connect(started.crm) as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, state text)")
            connection.execute("INSERT INTO orders VALUES (1, 'placed'), (2, 'placed')")
        yield started


@pytest.fixture(name="reader")
def _reader(server: PostgresServer, otel: Telemetry) -> Iterator[Reader]:  # noqa: ARG001
    reader = watch(server.url("otel_monitor", "postgres"))
    yield reader
    reader.close()


@contextlib.contextmanager
def session(server: PostgresServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Open a session of the CRM, whose transaction is taken back at the end."""
    with contextlib.closing(psycopg.connect(server.crm)) as connection:
        yield connection


@contextlib.contextmanager
def waiting(server: PostgresServer, statement: str) -> Iterator[None]:
    """Have a session run *statement*, which waits for a lock, until the block ends."""
    with session(server) as connection:

        def run() -> None:
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement.encode())

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            connection.cancel_safe()
            thread.join()


def until(read: Callable[[], object], expected: object) -> None:
    """Read again and again, as exports do, until it is *expected*."""
    deadline = time.monotonic() + 20
    while (seen := read()) != expected:
        assert time.monotonic() < deadline, f"{seen!r}, expected {expected!r}"
        time.sleep(0.1)


def states(otel: Telemetry, database: str = "crm") -> dict[str, float]:
    """Return how many sessions of *database* do what, without those that there are none of."""
    by = otel.metric("postgresql.sessions").by(DATABASE, "state")
    return {state: count for (name, state), count in by.items() if name == database and count}


@pytest.mark.usefixtures("reader")
def test_sessions_are_counted_by_what_they_do(server: PostgresServer, otel: Telemetry) -> None:
    """One idles, one forgot its transaction, one works, one waits for a lock."""
    with session(server) as idle, session(server) as forgetful:
        idle.autocommit = True
        idle.execute("SELECT 1")
        forgetful.execute("UPDATE orders SET state = 'priced' WHERE id = 1")
        with (
            waiting(server, "SELECT pg_sleep(60)"),
            waiting(server, "UPDATE orders SET state = 'lost' WHERE id = 1"),
        ):
            until(
                lambda: states(otel),
                {"idle": 1, "idle_in_transaction": 1, "active": 1, "waiting": 1},
            )
    until(lambda: states(otel), {})


@pytest.mark.usefixtures("reader")
def test_states_without_a_session_are_told_as_zero(otel: Telemetry) -> None:
    """A number that is only left out would stay in Prometheus for five minutes."""
    by = otel.metric("postgresql.sessions").by(DATABASE, "state")

    assert {name for name, _state in by} == {"crm", "mes", "postgres", "shop"}
    assert {state for name, state in by if name == "shop"} == {
        *("active", "waiting", "idle", "idle_in_transaction")
    }


@pytest.mark.usefixtures("reader")
def test_a_pile_up_behind_a_lock_is_named(server: PostgresServer, otel: Telemetry) -> None:
    """How many wait and for how long, what lock they want, and how old the holder is."""
    with session(server) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with contextlib.ExitStack() as pile:
            for _ in range(3):
                pile.enter_context(waiting(server, "SELECT * FROM orders"))
            until(lambda: states(otel), {"waiting": 3, "idle_in_transaction": 1})
            locks = otel.metric("postgresql.locks").by(
                DATABASE, "postgresql.lock.mode", "postgresql.lock.granted"
            )
            until(lambda: otel.metric("postgresql.lock.wait").by(DATABASE)["crm"] > 1, True)
            ages = otel.metric("postgresql.transaction.age").by(DATABASE, "state")

    assert locks["crm", "AccessShareLock", "false"] == 3
    assert locks["crm", "AccessExclusiveLock", "true"] == 1
    assert ages["crm", "idle_in_transaction"] > 1
    assert ages["shop", "idle_in_transaction"] == 0
    # It is over: zeros, not the last numbers.
    until(lambda: otel.metric("postgresql.lock.wait").by(DATABASE)["crm"], 0)
    locks = otel.metric("postgresql.locks").by(
        DATABASE, "postgresql.lock.mode", "postgresql.lock.granted"
    )
    assert locks["crm", "AccessShareLock", "false"] == 0


@pytest.mark.usefixtures("reader")
def test_a_wait_for_a_row_counts_in_the_database_of_who_waits(
    server: PostgresServer, otel: Telemetry
) -> None:
    """The lock itself is one on a transaction, which belongs to no database."""
    with session(server) as holder:
        holder.execute("UPDATE orders SET state = 'priced' WHERE id = 2")
        with waiting(server, "UPDATE orders SET state = 'lost' WHERE id = 2"):
            until(lambda: states(otel), {"waiting": 1, "idle_in_transaction": 1})
            by = otel.metric("postgresql.locks").by(
                DATABASE, "postgresql.lock.mode", "postgresql.lock.granted"
            )

    assert by["crm", "ShareLock", "false"] == 1


@pytest.mark.usefixtures("reader")
def test_a_statement_is_told_with_its_time_and_without_its_values(
    server: PostgresServer, otel: Telemetry
) -> None:
    """Two runs of a quarter of a second, a table's name, and no secret."""
    assert otel.metric("postgresql.up").value() == 1  # the look that all counts begin with
    with psycopg.connect(server.crm, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(
                "SELECT state, pg_sleep(0.25) FROM orders WHERE state = 'top-secret' OR id = 1"
            )

    def calls() -> float:
        metric = otel.metrics.get("postgresql.statement.calls")
        return metric.by("db.query.summary").get("SELECT orders", 0) if metric else 0

    until(calls, 2)
    time_spent = otel.metric("postgresql.statement.time")
    ours = [
        each for each in time_spent.points if each.labels["db.query.summary"] == "SELECT orders"
    ]

    assert [(each.labels[DATABASE], float(each.value) >= 0.5) for each in ours] == [("crm", True)]
    assert re.fullmatch(r"-?\d+", str(ours[0].labels["postgresql.query.id"]))
    assert "secret" not in repr(otel.metrics)


def test_the_role_of_the_monitoring_cannot_read_a_table(server: PostgresServer) -> None:
    """It sees who asks what, and not what they see."""
    with psycopg.connect(server.url("otel_monitor", "crm"), autocommit=True) as connection:
        for forbidden in (
            "SELECT * FROM orders",
            "DELETE FROM orders",
            "CREATE TABLE mine (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())
        rights = connection.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, "
            "rolconnlimit, ARRAY(SELECT roleid::regrole::text FROM pg_auth_members "
            "WHERE member = r.oid) FROM pg_roles r WHERE rolname = current_user"
        ).fetchone()

    assert rights == (False, 10, ["pg_read_all_stats"])


@pytest.mark.usefixtures("reader")
def test_a_killed_server_is_named_by_the_next_export(
    server: PostgresServer, otel: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """It is 0 as soon as anybody looks, 1 as soon as it is back, and the program goes on."""
    _guard._last_line.clear()
    assert otel.metric("postgresql.up").value() == 1
    server.stop()
    try:
        time.sleep(0.6)  # so long one look counts for all instruments of an export
        assert otel.metric("postgresql.up").value() == 0
        # Zeros would say that nobody is connected, and nobody knows.
        assert "postgresql.sessions" not in otel.metrics
        assert "gives no statistics" in caplog.text
        assert "the role needs pg_read_all_stats" in caplog.text
    finally:
        server.start()
    until(lambda: otel.metric("postgresql.up").value(), 1)


@pytest.mark.usefixtures("reader")
def test_a_restart_between_two_exports_is_no_silence(
    server: PostgresServer, otel: Telemetry
) -> None:
    """The reader's connection is gone, the server is not."""
    assert otel.metric("postgresql.up").value() == 1
    server.stop()
    server.start()
    time.sleep(0.6)  # so long one look counts for all instruments of an export

    assert otel.metric("postgresql.up").value() == 1


def test_the_reader_still_sees_a_server_that_has_no_connection_left(
    server: PostgresServer, otel: Telemetry, reader: Reader
) -> None:
    """It keeps its own: the Collector, which opens one at each look, is turned away."""
    assert reader
    assert otel.metric("postgresql.up").value() == 1
    with contextlib.ExitStack() as pool:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(200):
                pool.enter_context(psycopg.connect(server.crm))
        with pytest.raises(psycopg.OperationalError, match=r"too many|remaining connection"):
            psycopg.connect(server.url("otel_monitor", "postgres"))
        time.sleep(0.6)  # so long one look counts for all instruments of an export
        by = otel.metric("postgresql.sessions").by(DATABASE, "state")

    assert otel.metric("postgresql.up").value() == 1
    assert by["crm", "idle"] > 80


def test_a_server_without_the_extension_still_tells_its_sessions(
    server: PostgresServer, otel: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """Statements are missing, and the log says what to do."""
    _guard._last_line.clear()
    reader = watch(server.url("otel_monitor", "shop"))  # the extension is in another database
    try:
        assert otel.metric("postgresql.up").value() == 1
        assert "postgresql.statement.time" not in otel.metrics
    finally:
        reader.close()

    assert "CREATE EXTENSION pg_stat_statements" in caplog.text


def test_the_process_reads_until_it_is_told_to_end(server: PostgresServer, tmp_path: Path) -> None:
    """``python -m otel_setup.postgresql`` sends the server's numbers, and no secret in a log."""
    where = conninfo.conninfo_to_dict(server.url("otel_monitor", "postgres"))
    with Sink() as sink, (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "otel_setup.postgresql"],
            env={
                **os.environ,
                **{
                    f"PG{key.upper()}": str(where[key])
                    for key in ("host", "port", "user", "password")
                },
                "PGDATABASE": "postgres",
                "OTEL_SERVICE_NAME": "platform-databases",
                "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
                "OTEL_METRIC_EXPORT_INTERVAL": "200",
                "OTEL_SDK_DISABLED": "false",
            },
            stdout=log,
            stderr=log,
        )
        try:
            until(
                lambda: {"postgresql.up", "postgresql.sessions"} <= {p.name for p in sink.points},
                True,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(timeout=30)
    points = [point for point in sink.points if point.name == "postgresql.up"]

    assert (ended, (tmp_path / "log").read_text()) == (0, "")
    assert {point.value for point in points} == {1}
    assert {point.attributes["server.port"] for point in points} == {str(where["port"])}
