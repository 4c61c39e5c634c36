# SPDX-License-Identifier: Apache-2.0
"""The programs of the company: three APIs and their workers, launched with telemetry."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services_demo.stack import probes
from services_demo.stack.infrastructure import RABBITMQ_USER, S3_USER, database_url
from services_demo.stack.layout import REPOSITORY, Layout
from services_demo.stack.program import Program

#: Orders per minute of the demo's customers; enough for every rate to be seen.
_ORDERS_PER_MINUTE = "30"

#: For every Python of the stack.
_PYTHON = {
    "PYTHONUNBUFFERED": "1",
    # Mesh work is one thread per order; more would only fight over two cores.
    "OPENBLAS_NUM_THREADS": "1",
    # The memory of a large mesh goes back to the system when it is done, not at the end.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
}

#: Without it, requests that follow a large upload on the same connection join its trace.
_RESET = ("--reset-contextvars",)

#: Customers come from the internet: their traces are not ours.
_EDGE = {"OTEL_SETUP_EDGE": "untrusted"}

#: Exports come often, so that a person who looks sees the order of a moment ago.
_EXPORT_MILLISECONDS = "2000"

#: What the company is willing to keep: the panels that forecast have something to compare with.
_STORAGE_BYTES = "10000000000"


def programs(layout: Layout) -> list[Program]:
    """Return the services and the scanner; they start when everything below them serves."""
    return [
        _api(
            layout,
            "shop",
            "Shop API (FastAPI, 2 workers)",
            (
                "uvicorn", "services_demo.shop.api:app",
                "--host", "127.0.0.1",
                "--port", str(layout.port("shop")),
                "--workers", "2",
                # The default of 5 s kills workers that import slowly on a busy machine.
                "--timeout-worker-healthcheck", "60",
                "--no-access-log",
                *_RESET,
            ),
            **_EDGE,
        ),
        _worker(layout, "shop", "Shop worker: outbox relay, news from MES"),
        _api(
            layout,
            "mes",
            "MES API (Flask, 2 workers)",
            (
                "gunicorn", "services_demo.mes.api:app",
                "--bind", layout.address("mes"),
                "--workers", "2",
                "--worker-class", "gthread",
                "--threads", "4",
                "--no-control-socket",
            ),
        ),
        _worker(layout, "mes", "MES worker: prices, outbox relay"),
        _api(
            layout,
            "crm",
            "CRM API (FastAPI, 1 process); serves /metrics itself",
            (
                "uvicorn", "services_demo.crm.api:app",
                "--host", "127.0.0.1",
                "--port", str(layout.port("crm")),
                "--no-access-log",
                *_RESET,
            ),
            # One process, so it can show the direct way: its own /metrics, no push. It handles no
            # events: who waits for a scrape cannot be told of a failure at once.
            OTEL_METRICS_EXPORTER="prometheus",
            OTEL_EXPORTER_PROMETHEUS_PORT=str(layout.port("crm_metrics")),
        ),
        _worker(layout, "crm", "CRM worker: tells customers, keeps dead letters"),
        _storage_scanner(layout),
    ]  # fmt: skip


def dead_letters(layout: Layout, words: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command that does with dead letters what *words* say, and its environment."""
    environment = {
        **_environment(layout, "crm", "crm-dead-letters"),
        # It ends at once: who sends metrics and stops is taken for a service that died.
        "OTEL_METRICS_EXPORTER": "none",
    }
    return _launch("python", "-m", "services_demo.deadletters", *words), environment


def slow(layout: Layout, words: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command that makes the operators' list slow, and its environment."""
    environment = {"MES_DATABASE_URL": database_url(layout, "mes", "mes")}
    return (sys.executable, "-m", "services_demo.mes.slow", *words), environment


def traffic(layout: Layout, environ: Mapping[str, str]) -> Program:
    """Return the customers, operators and sales people; `demo` starts them when all is ready."""
    command = [sys.executable, "-m", "services_demo.traffic"]
    for service in ("shop", "mes", "crm"):
        command += [f"--{service}", layout.url(service)]
    command += ["--rate", environ.get("STACK_TRAFFIC_RATE") or _ORDERS_PER_MINUTE]
    if environ.get("STACK_TRAFFIC_WEB"):
        command += ["--web", "--web-port", str(layout.port("locust"))]
    return Program(
        name="traffic",
        says="customers, operators and sales (locust)",
        command=tuple(command),
        directory=REPOSITORY,
        environment=_PYTHON,
        wave=3,
        ready=lambda: None,
    )


def _environment(layout: Layout, service: str, name: str) -> dict[str, str]:
    return {
        **_telemetry(layout, name),
        # The same for all, so that one user has one pseudonym; no password of anything.
        "OTEL_SETUP_USER_KEY": f"users-{layout.secret}",
        f"{service.upper()}_DATABASE_URL": database_url(layout, service, service),
        "AMQP_URL": f"amqp://{RABBITMQ_USER}:{layout.secret}@{layout.address('amqp')}/%2F",
        "S3_ENDPOINT_URL": layout.url("s3"),
        **_s3(layout),
    }


def _telemetry(layout: Layout, name: str) -> dict[str, str]:
    return {
        **_PYTHON,
        "OTEL_SERVICE_NAME": name,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo",
        "OTEL_EXPORTER_OTLP_ENDPOINT": layout.url("otlp_http"),
        "OTEL_METRIC_EXPORT_INTERVAL": _EXPORT_MILLISECONDS,
        "OTEL_BSP_SCHEDULE_DELAY": _EXPORT_MILLISECONDS,
    }


def _s3(layout: Layout) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": S3_USER,
        "AWS_SECRET_ACCESS_KEY": layout.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def _launch(*command: str) -> tuple[str, ...]:
    program, *arguments = command
    scripts = Path(sys.executable).parent
    return (str(scripts / "opentelemetry-instrument"), str(scripts / program), *arguments)


def _api(layout: Layout, service: str, says: str, command: tuple[str, ...], **more: str) -> Program:
    name = f"{service}-api"
    return Program(
        name=name,
        says=says,
        command=_launch(*command),
        environment={**_environment(layout, service, name), **more},
        directory=REPOSITORY,
        wave=2,
        ready=probes.http(layout.url(service) + "/healthz"),
    )


def _worker(layout: Layout, service: str, says: str, **more: str) -> Program:
    name = f"{service}-worker"
    return Program(
        name=name,
        says=says,
        command=_launch("python", "-m", f"services_demo.{service}.worker"),
        environment={**_environment(layout, service, name), **more},
        directory=REPOSITORY,
        wave=2,
        ready=probes.consumer(
            layout.url("rabbitmq_page"), (RABBITMQ_USER, layout.secret), f"{service}.orders"
        ),
    )


def _storage_scanner(layout: Layout) -> Program:
    name = "storage-scanner"
    state = layout.folder / name / "state.json"
    return Program(
        name=name,
        says="Scanner of the S3 storage: how much is stored",
        command=(sys.executable, "-m", "otel_setup.storage"),
        environment={
            **_telemetry(layout, name),
            **_s3(layout),
            "STORAGE_SCAN_ENDPOINT": layout.url("s3"),
            "STORAGE_SCAN_BUCKETS": "*",
            # So often that a person who looks sees the upload of a moment ago.
            "STORAGE_SCAN_INTERVAL": "10",
            "STORAGE_SCAN_CAPACITY": _STORAGE_BYTES,
            "STORAGE_SCAN_STATE_FILE": str(state),
        },
        directory=REPOSITORY,
        wave=2,
        ready=probes.file(state),
    )
