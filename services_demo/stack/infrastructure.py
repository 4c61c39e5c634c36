# SPDX-License-Identifier: Apache-2.0
"""The programs below the services: stores and broker."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from services_demo.stack import probes
from services_demo.stack.errors import StackError
from services_demo.stack.layout import Layout
from services_demo.stack.program import Program

#: Users of the stores; each has the stack's secret as password.
RABBITMQ_USER = "stack"
S3_USER = "stack"
MONITOR_USER = "otel_monitor"
DATABASES = ("shop", "mes", "crm")

#: For every Go program. Half the garbage for a little CPU: they share a machine with all others.
GO = {"GOGC": "50"}


def programs(layout: Layout) -> list[Program]:
    """Return them in the order in which they are waited for."""
    return [
        _postgres(layout),
        _epmd(layout),
        _rabbitmq(layout),
        _versitygw(layout),
    ]


def database_url(layout: Layout, user: str, database: str) -> str:
    """Return the address of *database* for *user*."""
    return f"postgresql://{user}:{layout.secret}@{layout.address('postgres')}/{database}"


def postgres_program(name: str) -> str:
    """
    Return the path of a PostgreSQL server program, which Debian keeps off the PATH.

    Raises:
        StackError: no server is installed.
    """
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4])
    )
    if found:
        return str(found[-1])
    on_path = shutil.which(name)
    if on_path is None:
        raise StackError(f"{name} of PostgreSQL is not installed. Run `make install` as root.")
    return on_path


def as_postgres(layout: Layout) -> tuple[str, ...]:
    """Return what to put before a command of PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return ()
    drop = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in layout.folder.parents):
        return drop
    # The clone lies in a folder that only root may enter, such as root's home.
    return (*drop, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")


def _postgres(layout: Layout) -> Program:
    settings = {
        "port": str(layout.port("postgres")),
        "listen_addresses": "127.0.0.1",
        # A path to a socket may be 107 bytes long, a folder's name longer.
        "unix_socket_directories": "",
        "max_connections": "100",
        # Small data, and each connection's process counts what it touched as its own.
        "shared_buffers": "2MB",
        "max_wal_senders": "0",
        "wal_level": "minimal",
        "max_logical_replication_workers": "0",
        # What each statement costs.
        "shared_preload_libraries": "pg_stat_statements",
    }
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    data = layout.folder / "postgres"
    return Program(
        name="postgres",
        says="PostgreSQL, the databases shop, mes and crm",
        command=(*as_postgres(layout), postgres_program("postgres"), "-D", str(data), *options),
        wave=1,
        ready=probes.postgres(database_url(layout, "postgres", "postgres")),
        stop_signal="INT",  # fast shutdown: ends sessions instead of waiting for them
    )


def _erlang_environment(layout: Layout) -> dict[str, str]:
    home = layout.folder / "rabbitmq"
    return {
        "HOME": str(home),  # keeps the cookie
        "ERL_EPMD_PORT": str(layout.port("epmd")),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _epmd(layout: Layout) -> Program:
    # Erlang would start it as a daemon that nobody ends.
    return Program(
        name="epmd",
        says="Erlang's port mapper, which RabbitMQ needs",
        command=("epmd", "-port", str(layout.port("epmd")), "-address", "127.0.0.1"),
        environment=_erlang_environment(layout),
        wave=1,
        ready=probes.tcp(layout.port("epmd")),
    )


def _rabbitmq(layout: Layout) -> Program:
    home = layout.folder / "rabbitmq"
    return Program(
        name="rabbitmq",
        says="RabbitMQ with its management and Prometheus plugins",
        command=("/usr/lib/rabbitmq/bin/rabbitmq-server",),
        environment={
            **_erlang_environment(layout),
            "RABBITMQ_NODENAME": f"stack{layout.port('amqp')}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(layout.port("amqp")),
            "RABBITMQ_DIST_PORT": str(layout.port("erlang")),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            # Makes the script become the broker instead of standing before it.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Two schedulers, since it shares this machine; no port to the world for clustering.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        },
        wave=1,
        ready=probes.amqp(layout.port("amqp")),
        ready_within=90,
        stop_within=30,
    )


def _versitygw(layout: Layout) -> Program:
    return Program(
        name="versitygw",
        says="versitygw, the S3 storage",
        command=(
            str(layout.build / "bin" / "versitygw"),
            "--port", layout.address("s3"),
            "--health", "/health",
            "--quiet",
            "posix",
            "--sidecar", str(layout.folder / "s3" / "attributes"),
            str(layout.folder / "s3" / "objects"),
        ),
        # Not as arguments, which every user of the machine may read.
        environment={**GO, "ROOT_ACCESS_KEY": S3_USER, "ROOT_SECRET_KEY": layout.secret},
        wave=1,
        ready=probes.http(layout.url("s3") + "/health"),
    )  # fmt: skip
