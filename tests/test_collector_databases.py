# SPDX-License-Identifier: Apache-2.0
"""
What the built Collector reads by itself: a database with the least rights, servers by their names.

A real PostgreSQL as the native stack makes it, the Collector's own configuration, and a
Prometheus that it sends to.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from otel_setup.catalogue.entries import postgresql, process, servers
from otel_setup.catalogue.model import COMMON_LABELS, Metric, prometheus_label
from services_demo.stack.layout import REPOSITORY
from tests import built
from tests.broker import until
from tests.postgres_server import PostgresServer
from tests.programs import free_port
from tests.prometheus_server import Prometheus

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Watched:
    """The programs, after the Collector has read the server several times."""

    prometheus: Prometheus
    server: PostgresServer
    log: Path

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of *expr*: labels and value."""
        found = self.prometheus.ask("query", query=expr)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]


@pytest.fixture(scope="module", name="watched")
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folders = [tmp_path_factory.mktemp(name) for name in ("postgres", "prometheus", "collector")]
    with ExitStack() as ending:
        server = ending.enter_context(PostgresServer(folders[0]))
        for name in ("shop", "mes", "crm"):
            with psycopg.connect(server.url(name, name)) as connection:
                connection.execute("CREATE TABLE orders (id int PRIMARY KEY, state text)")
                connection.execute("INSERT INTO orders VALUES (1, 'placed')")
        settings = yaml.safe_load((REPOSITORY / "docker/prometheus/prometheus.yml").read_text())
        promoted = tuple(settings["otlp"]["promote_resource_attributes"])
        prometheus = Prometheus(folders[1], promoted=promoted)
        ending.callback(prometheus.process.wait)
        ending.callback(prometheus.process.kill)
        where = conninfo_to_dict(server.url("otel_monitor", "postgres"))
        ports = ("OTLP_GRPC_ENDPOINT", "OTLP_HTTP_ENDPOINT", "PULL_ENDPOINT", "HEALTH_ENDPOINT")
        environment = {
            **os.environ,
            **{f"OTELCOL_{name}": f"127.0.0.1:{free_port()}" for name in ports},
            "OTELCOL_OWN_METRICS_PORT": str(free_port()),
            "OTELCOL_POSTGRES_ENDPOINT": f"{where['host']}:{where['port']}",
            "OTELCOL_POSTGRES_PASSWORD": str(where["password"]),
            "OTELCOL_PROMETHEUS_OTLP_ENDPOINT": f"{prometheus.url}/api/v1/otlp",
            "OTELCOL_STORAGE": str(folders[2]),
            "OTELCOL_HOST_NAME": "workshop",
        }
        found = Watched(prometheus, server, folders[2] / "log")
        with found.log.open("wb") as log:
            config = f"--config={REPOSITORY / 'collector' / 'config.yaml'}"
            collector = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(built.path("otelcol")), config],
                env=environment,
                stdout=log,
                stderr=log,
            )
        ending.callback(collector.wait, timeout=30)
        ending.callback(collector.terminate)
        until(lambda: prometheus.ask("query", query="1") is not None, "Prometheus answers", 60)
        # It leaves young processes out for a while, so the database is read by then.
        ours = f'process_memory_usage_bytes{{instance="workshop/{prometheus.process.pid}"}}'
        until(lambda: found.ask(ours) != [], "a process that is old enough", 90)
        yield found


@pytest.mark.parametrize("entry", postgresql.METRICS, ids=lambda each: each.name)
def test_the_receiver_reads_all_with_the_right_to_statistics_alone(
    entry: Metric, watched: Watched
) -> None:
    """Every metric of the catalogue arrives, of each of the three databases."""
    found = watched.ask(entry.prometheus_name)
    label = "postgresql_database_name"

    assert {labels[label] for labels, _value in found if label in labels} in (
        {"shop", "mes", "crm"},
        set(),
    )
    assert found != []


def test_the_receiver_has_nothing_to_complain_of(watched: Watched) -> None:
    """No right is missing, and no query fails."""
    complaints = [
        line
        for line in watched.log.read_text().splitlines()
        if "\terror\t" in line
        or ("\twarn\t" in line and "postgresql" in line and "Feature gate" not in line)
    ]

    assert complaints == []


def test_servers_are_told_apart_by_job(watched: Watched) -> None:
    """PostgreSQL with all its processes, Prometheus and the Collector itself."""
    jobs = {
        labels["job"]: labels["process_executable_name"]
        for labels, _value in watched.ask("process_memory_usage_bytes")
    }

    assert {
        "postgresql": "postgres",
        "prometheus": "prometheus",
        "otelcol": "otelcol",
    }.items() <= jobs.items()


def test_the_memory_of_a_server_is_what_the_kernel_says(watched: Watched) -> None:
    """Within a tenth: it goes on working between the two looks."""
    pid = watched.prometheus.process.pid
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    ((_labels, told),) = watched.ask(f'process_memory_usage_bytes{{instance="workshop/{pid}"}}')

    assert told == pytest.approx(resident, rel=0.1)


def test_the_cpu_time_of_a_server_is_that_of_its_whole_life(watched: Watched) -> None:
    """User and kernel, never less than it was; waiting is no work."""
    pid = watched.prometheus.process.pid
    modes = {
        labels["cpu_mode"]: value
        for labels, value in watched.ask(
            f'process_cpu_time_seconds_total{{instance="workshop/{pid}"}}'
        )
    }

    assert modes.keys() == {"user", "system"}
    assert sum(modes.values()) > 0


def test_shares_of_memory_are_shares_and_not_those_of_postgresql(watched: Watched) -> None:
    """What its processes share would count once for each."""
    pid = watched.prometheus.process.pid
    jobs = {labels["job"] for labels, _value in watched.ask("process_memory_utilization_ratio")}
    ours = f'{{instance="workshop/{pid}"}}'
    ((_labels, share),) = watched.ask(f"process_memory_utilization_ratio{ours}")
    ((_labels, told),) = watched.ask(f"process_memory_usage_bytes{ours}")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    assert "prometheus" in jobs
    assert "postgresql" not in jobs
    assert share == pytest.approx(told / total, rel=0.1)


@pytest.mark.parametrize(
    "entry",
    [process.CPU_TIME, process.MEMORY_USAGE, *servers.METRICS],
    ids=lambda each: each.name,
)
def test_a_server_has_the_labels_of_the_catalogue_and_no_command_line(
    entry: Metric, watched: Watched
) -> None:
    """A path or a command line may hold a secret."""
    seen = {label for labels, _value in watched.ask(entry.prometheus_name) for label in labels}
    known = {"__name__", *map(prometheus_label, entry.attributes)}

    assert seen - COMMON_LABELS == known
    assert watched.ask('{__name__=~"process_.+", job=~".*/.*"}') == []


def test_a_server_makes_no_series_of_its_resource(watched: Watched) -> None:
    """One target_info for each process would be as many series as its numbers have."""
    assert watched.ask('target_info{instance=~"workshop/.+"}') == []


def test_connections_that_last_a_moment_make_no_series(watched: Watched) -> None:
    """The receiver itself opens some at each look, and each is a process of the server."""
    pids = []
    for _ in range(20):
        with contextlib.closing(psycopg.connect(watched.server.crm)) as connection:
            pids.append(connection.info.backend_pid)
            time.sleep(0.5)
    instances = "|".join(f"workshop/{pid}" for pid in pids)

    assert watched.ask(f'process_memory_usage_bytes{{instance=~"{instances}"}}') == []
