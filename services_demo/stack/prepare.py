# SPDX-License-Identifier: Apache-2.0
"""Write what the programs read at their start, and make the databases' users."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import psycopg
import yaml
from psycopg import sql

from services_demo.stack.control import last_lines
from services_demo.stack.errors import StackError
from services_demo.stack.infrastructure import (
    DATABASES,
    MONITOR_USER,
    RABBITMQ_USER,
    as_postgres,
    database_url,
    postgres_program,
)
from services_demo.stack.layout import REPOSITORY, Layout

_INITDB_SECONDS = 120

#: What a run leaves behind.
_FOLDERS = (
    *("postgres", "rabbitmq", "s3", "prometheus", "alertmanager", "otelcol", "pager", "grafana"),
    *("storage-scanner", "logs"),
)


def files(layout: Layout) -> None:
    """
    Make a fresh folder with every part's configuration; what an earlier run left is removed.

    Raises:
        StackError: the database cluster cannot be made.
    """
    for old in _FOLDERS:
        shutil.rmtree(layout.folder / old, ignore_errors=True)
    layout.logs.mkdir(parents=True)
    for part in ("s3/objects", "s3/attributes", "otelcol", "pager"):
        (layout.folder / part).mkdir(parents=True)
    _prometheus(layout)
    _alertmanager(layout)
    _rabbitmq(layout)
    _postgres(layout)


def databases(layout: Layout) -> None:
    """Make a user and a database per service, and the user with which the Collector looks on."""
    with psycopg.connect(
        database_url(layout, "postgres", "postgres"), autocommit=True
    ) as connection:
        for name in (*DATABASES, MONITOR_USER):
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(layout.secret)
                )
            )
        # All statistics and no table; a fault of the monitoring leaves connections to services.
        connection.execute(
            sql.SQL("GRANT pg_read_all_stats TO {0}; ALTER ROLE {0} CONNECTION LIMIT 10").format(
                sql.Identifier(MONITOR_USER)
            )
        )
        # One database is enough: its view has the statements of all.
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for name in DATABASES:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(
                    sql.Identifier(name), sql.Identifier(name)
                )
            )


def _prometheus(layout: Layout) -> None:
    home = layout.folder / "prometheus"
    targets = home / "targets"
    targets.mkdir(parents=True)
    given = REPOSITORY / "docker" / "prometheus"
    for name in ("prometheus.yml", "scrape.yml"):
        shutil.copy(given / name, home)
    shutil.copytree(given / "rules", home / "rules")
    for job, port in {
        "prometheus": "prometheus",
        "alertmanager": "alertmanager",
        "node": "node_exporter",
        "otelcol": "otelcol",
        "rabbitmq": "rabbitmq_metrics",
    }.items():
        group = {"targets": [layout.address(port)]}
        (targets / f"{job}.yml").write_text(yaml.safe_dump([group]))
    direct = {"targets": [layout.address("crm_metrics")], "labels": {"job": "crm-api"}}
    (targets / "direct.yml").write_text(yaml.safe_dump([direct]))


def _alertmanager(layout: Layout) -> None:
    home = layout.folder / "alertmanager"
    receivers = home / "receivers"
    receivers.mkdir(parents=True)
    shutil.copy(REPOSITORY / "docker" / "alertmanager" / "alertmanager.yml", home)
    for name in ("alerts", "heartbeat"):
        (receivers / f"{name}.url").write_text(f"{layout.url('pager')}/{name}\n")


def _rabbitmq(layout: Layout) -> None:
    home = layout.folder / "rabbitmq"
    home.mkdir()
    shutil.copy(REPOSITORY / "docker" / "rabbitmq" / "enabled_plugins", home)
    settings = {
        "default_user": RABBITMQ_USER,
        "default_pass": layout.secret,
        "management.tcp.ip": "127.0.0.1",
        "management.tcp.port": layout.port("rabbitmq_page"),
        "prometheus.tcp.ip": "127.0.0.1",
        "prometheus.tcp.port": layout.port("rabbitmq_metrics"),
        # Counters per queue need the fine level; they are as old as this interval.
        "collect_statistics": "fine",
        "collect_statistics_interval": 2000,
        "vm_memory_high_watermark.absolute": "512MiB",
        "disk_free_limit.absolute": "200MB",
        "log.console.level": "warning",
    }
    text = "".join(f"{key} = {value}\n" for key, value in settings.items())
    (home / "rabbitmq.conf").write_text(text)


def _postgres(layout: Layout) -> None:
    password = layout.folder / "postgres.password"
    data = layout.folder / "postgres"
    data.mkdir()
    password.write_text(layout.secret)
    prefix = as_postgres(layout)
    if prefix:
        shutil.chown(data, "postgres", "postgres")
        shutil.chown(password, "postgres", "postgres")
    password.chmod(0o600)
    command = [
        *prefix,
        postgres_program("initdb"),
        *("-D", str(data), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password}"),
        *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
    ]
    try:
        _run(command, layout.logs / "initdb.log")
    finally:
        password.unlink()


def _run(command: list[str], log: Path) -> None:
    with log.open("wb") as output:
        result = subprocess.run(
            command, stdout=output, stderr=output, timeout=_INITDB_SECONDS, check=False, cwd="/"
        )
    if result.returncode != 0:
        raise StackError(
            f"initdb failed with code {result.returncode}. Its last words ({log}):\n"
            + last_lines(log, 10)
        )
