# SPDX-License-Identifier: Apache-2.0
"""From a fault of a real PostgreSQL to its alert: reader, Prometheus, the rendered rules."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from otel_setup.render import rules
from services_demo.catalogue.company import CATALOGUE
from tests.broker import until
from tests.postgres_server import PostgresServer
from tests.prometheus_server import Prometheus

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

_RULES = rules.pages(CATALOGUE)["prometheus/rules/sessions.yml"]


@dataclass(frozen=True)
class Watched:
    """A server that is watched, and the Prometheus that judges it."""

    server: PostgresServer
    prometheus: Prometheus

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of *expr*: labels and value."""
        found = self.prometheus.ask("query", query=expr)
        return [
            (each["metric"], float(each["value"][1]))
            for each in (found or {"result": []})["result"]
        ]

    def firing(self) -> dict[str, str]:
        """Return the alerts that fire, each with the database that it is about."""
        return {
            labels["alertname"]: labels.get("postgresql_database_name", "")
            for labels, _value in self.ask('ALERTS{alertstate="firing"}')
        }


@pytest.fixture(scope="module", name="watched")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folders = [tmp_path_factory.mktemp(name) for name in ("postgres", "prometheus", "reader")]
    with ExitStack() as ending:
        server = ending.enter_context(PostgresServer(folders[0]))
        with psycopg.connect(server.crm) as connection:
            connection.execute("CREATE TABLE orders (id int)")
        prometheus = Prometheus(folders[1], rules=_RULES)
        ending.callback(prometheus.process.wait)
        ending.callback(prometheus.process.kill)
        until(lambda: prometheus.ask("query", query="1") is not None, "Prometheus answers", 60)
        where = conninfo_to_dict(server.url("otel_monitor", "postgres"))
        with (folders[2] / "log").open("wb") as log:
            reader = subprocess.Popen(
                [sys.executable, "-m", "otel_setup.postgresql"],
                env={
                    **os.environ,
                    "PGHOST": str(where["host"]),
                    "PGPORT": str(where["port"]),
                    "PGUSER": str(where["user"]),
                    "PGPASSWORD": str(where["password"]),
                    "PGDATABASE": "postgres",
                    "OTEL_SERVICE_NAME": "platform-databases",
                    "OTEL_TRACES_EXPORTER": "none",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"{prometheus.url}/api/v1/otlp",
                    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
                    "OTEL_SDK_DISABLED": "false",
                },
                stdout=log,
                stderr=log,
            )
        ending.callback(reader.wait, timeout=30)
        ending.callback(reader.terminate)
        found = Watched(server, prometheus)
        until(lambda: [value for _labels, value in found.ask("postgresql_up")] == [1], "up", 60)
        yield found


@contextlib.contextmanager
def _waiting(url: str, sessions: int) -> Iterator[None]:
    """Have *sessions* wait behind one that holds the table and does nothing."""

    def wait(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT * FROM orders")

    with ExitStack() as ending:
        holder = ending.enter_context(contextlib.closing(psycopg.connect(url)))
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        for _ in range(sessions):
            each = ending.enter_context(contextlib.closing(psycopg.connect(url)))
            thread = threading.Thread(target=wait, args=(each,))
            thread.start()
            ending.callback(thread.join)
            ending.callback(each.cancel_safe)
        yield


def test_a_pile_up_behind_a_lock_fires_and_clears(watched: Watched) -> None:
    """So does the forgotten transaction that they wait for, in the same database."""
    expected = {"PostgresLocksPileUp": "crm", "PostgresTransactionForgotten": "crm"}
    assert watched.firing() == {}
    with _waiting(watched.server.crm, 3):
        until(lambda: watched.firing() == expected, "both alerts", 240)

    until(lambda: watched.firing() == {}, "their end", 90)


def test_a_killed_server_fires_and_clears(watched: Watched) -> None:
    """Within the time that its alert waits, and nothing else fires with it."""
    assert watched.firing() == {}
    watched.server.stop()
    try:
        until(lambda: watched.firing() == {"PostgresDown": ""}, "its alert", 90)
    finally:
        watched.server.start()

    until(lambda: watched.firing() == {}, "its end", 90)
