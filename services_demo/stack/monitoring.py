# SPDX-License-Identifier: Apache-2.0
"""The programs that carry telemetry, keep it, show it, and tell somebody."""

from __future__ import annotations

import sys

from services_demo.stack import grafana, probes, traces
from services_demo.stack.infrastructure import GO, MONITOR_USER
from services_demo.stack.layout import REPOSITORY, Layout
from services_demo.stack.program import Program


def programs(layout: Layout) -> list[Program]:
    """Return them in the order in which they are waited for."""
    return [
        _prometheus(layout),
        _alertmanager(layout),
        _pager(layout),
        _node_exporter(layout),
        _otelcol(layout),
        _zipkin(layout),
        *grafana.programs(layout),
        _database_reader(layout),
    ]


def _prometheus(layout: Layout) -> Program:
    home = layout.folder / "prometheus"
    return Program(
        name="prometheus",
        says="Prometheus with its page",
        command=(
            str(layout.build / "bin" / "prometheus"),
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / 'data'}",
            # Orders are compared with the same hour of the four weeks before.
            "--storage.tsdb.retention.time=40d",
            "--storage.tsdb.retention.size=1GB",
            f"--web.listen-address={layout.address('prometheus')}",
            # Links in notifications begin with it.
            f"--web.external-url={layout.url('prometheus')}",
            # Alertmanager believes an alert for four times this: so long a Prometheus that died
            # would still seem to live. By default that is four minutes.
            "--rules.alert.resend-delay=15s",
            "--web.enable-otlp-receiver",
            "--web.enable-lifecycle",
            # A counter that is first seen at 1 has risen by 1: without this it has not.
            "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion",
        ),
        environment=GO,
        # It serves its page from the folder web/ below the one that it is started in.
        directory=layout.build / "prometheus",
        wave=1,
        ready=probes.http(layout.url("prometheus") + "/-/ready"),
        stop_within=20,
    )


def _alertmanager(layout: Layout) -> Program:
    home = layout.folder / "alertmanager"
    return Program(
        name="alertmanager",
        says="Alertmanager",
        command=(
            str(layout.build / "bin" / "alertmanager"),
            f"--config.file={home / 'alertmanager.yml'}",
            f"--storage.path={home / 'data'}",
            f"--web.listen-address={layout.address('alertmanager')}",
            f"--web.external-url={layout.url('alertmanager')}",
            "--cluster.listen-address=",  # one machine: no peers to gossip with
            # What it has told is on disk soon: killed, it would never tell the end of it.
            "--data.maintenance-interval=5s",
        ),
        environment=GO,
        # It looks there for the files with its receivers' addresses.
        directory=home,
        wave=1,
        ready=probes.http(layout.url("alertmanager") + "/-/ready"),
    )


def _node_exporter(layout: Layout) -> Program:
    return Program(
        name="node-exporter",
        says="Node Exporter: CPU, memory and disks of this machine",
        command=(
            str(layout.build / "bin" / "node_exporter"),
            f"--web.listen-address={layout.address('node_exporter')}",
        ),
        environment=GO,
        wave=1,
        ready=probes.http(layout.url("node_exporter") + "/"),
    )


def _otelcol(layout: Layout) -> Program:
    return Program(
        name="otelcol",
        says="OpenTelemetry Collector",
        command=(
            str(layout.build / "bin" / "otelcol"),
            f"--config={REPOSITORY / 'collector' / 'config.yaml'}",
        ),
        environment={
            # Garbage is collected earlier as the limit of memory_limiter comes near.
            "GOMEMLIMIT": "205MiB",
            **GO,
            "OTELCOL_OTLP_GRPC_ENDPOINT": layout.address("otlp_grpc"),
            "OTELCOL_OTLP_HTTP_ENDPOINT": layout.address("otlp_http"),
            "OTELCOL_PROMETHEUS_OTLP_ENDPOINT": layout.url("prometheus") + "/api/v1/otlp",
            "OTELCOL_PULL_ENDPOINT": layout.address("otelcol_pull"),
            "OTELCOL_ZIPKIN_ENDPOINT": layout.url("zipkin") + "/api/v2/spans",
            "OTELCOL_HEALTH_ENDPOINT": layout.address("otelcol_health"),
            "OTELCOL_OWN_METRICS_PORT": str(layout.port("otelcol")),
            "OTELCOL_STORAGE": str(layout.folder / "otelcol"),
            "OTELCOL_POSTGRES_ENDPOINT": layout.address("postgres"),
            "OTELCOL_POSTGRES_USER": MONITOR_USER,
            "OTELCOL_POSTGRES_PASSWORD": layout.secret,
        },
        wave=1,
        ready=probes.http(layout.url("otelcol_health") + "/"),
    )


def _database_reader(layout: Layout) -> Program:
    host, port = layout.address("postgres").split(":")
    return Program(
        name="database-reader",
        says="reader of PostgreSQL: sessions, locks, statements",
        command=(sys.executable, "-m", "otel_setup.postgresql"),
        environment={
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "1",
            "OTEL_SERVICE_NAME": "platform-databases",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo",
            "OTEL_EXPORTER_OTLP_ENDPOINT": layout.url("otlp_http"),
            "OTEL_METRIC_EXPORT_INTERVAL": "2000",
            # It has nothing to trace.
            "OTEL_TRACES_EXPORTER": "none",
            "PGHOST": host,
            "PGPORT": port,
            "PGUSER": MONITOR_USER,
            "PGPASSWORD": layout.secret,
            # It has the extension with the statements of all databases.
            "PGDATABASE": "postgres",
        },
        directory=REPOSITORY,
        # Its user is made when the server is up.
        wave=2,
        ready=lambda: None,
    )


def _zipkin(layout: Layout) -> Program:
    return Program(
        name="zipkin",
        says="Zipkin, the page that shows traces",
        command=(
            "java",
            "-Xms64m",
            "-Xmx88m",
            "-XX:MaxDirectMemorySize=24m",
            "-XX:ReservedCodeCacheSize=40m",
            "-Xss256k",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",  # starts in half the time; it is not the one under load
            "-jar",
            str(layout.build / "zipkin.jar"),
            # One address of this machine only; the property replaces the whole list of ports.
            "--armeria.ports[0].ip=127.0.0.1",
            f"--armeria.ports[0].port={layout.port('zipkin')}",
            "--armeria.ports[0].protocols[0]=http",
            "--logging.level.root=warn",
        ),
        environment={
            "MEM_MAX_SPANS": "12000",
            "MALLOC_ARENA_MAX": "1",
        },
        wave=1,
        ready=probes.http(layout.url("zipkin") + "/health"),
        ready_within=90,
    )


def _pager(layout: Layout) -> Program:
    dashboards = {"PAGER_GRAFANA_URL": layout.url("grafana")} if grafana.home() else {}
    return Program(
        name="pager",
        says="the notification page",
        command=(sys.executable, "-m", "services_demo.pager"),
        environment={
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "1",
            "PAGER_PORT": str(layout.port("pager")),
            "PAGER_PROMETHEUS_URL": layout.url("prometheus"),
            "PAGER_TRACE_URL": traces.page(layout.url("zipkin"), "{trace_id}"),
            "PAGER_STATE_FILE": str(layout.folder / "pager" / "notifications.json"),
            **dashboards,
        },
        directory=REPOSITORY,
        wave=1,
        ready=probes.http(layout.url("pager") + "/healthz"),
    )
