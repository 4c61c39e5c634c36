# SPDX-License-Identifier: Apache-2.0
"""
Which libraries are instrumented, when, and with what arguments.

`opentelemetry-instrument` finds instrumentations through entry points. These tables
say what the upstream ones are told beyond their defaults; one that is not listed
runs with its defaults, at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

#: Entry point name → arguments of its ``instrument()``.
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    # Upstream makes a span for each ASGI event of a request; the SERVER span has all they say.
    "fastapi": {"exclude_spans": ["receive", "send"]},
}

#: Entry point name → the module whose import triggers it. An instrumentation imports what it
#: patches: a worker that only consumes messages would carry FastAPI, Flask and boto3 with it.
TRIGGERS: Mapping[str, str] = {
    "aio-pika": "aio_pika",
    "aiobotocore": "aiobotocore.client",
    "botocore": "botocore.client",
    "fastapi": "fastapi",
    "flask": "flask",
    "httpx": "httpx",
    "httpx2": "httpx2",
    "otel_setup_fastapi": "fastapi",
    "otel_setup_flask": "flask",
    "otel_setup_httpx": "httpx",
    "otel_setup_aio_pika": "aio_pika",
    "otel_setup_pika": "pika",
    "otel_setup_psycopg": "psycopg",
    "otel_setup_psycopg_pool": "psycopg_pool",
    "otel_setup_s3": "botocore.client",
    "otel_setup_sqlalchemy": "sqlalchemy",
    "otel_setup_starlette": "starlette.applications",
    "pika": "pika",
    "psycopg": "psycopg",
    "requests": "requests",
    "sqlalchemy": "sqlalchemy",
    "starlette": "starlette",
}

#: Upstream's entry point name → ours, which runs in its place. Upstream's runs where ours is
#: named in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``; where upstream's is named, neither does.
REPLACED: Mapping[str, str] = {
    "aio-pika": "otel_setup_aio_pika",
    "fastapi": "otel_setup_fastapi",
    "flask": "otel_setup_flask",
    "logging": "otel_setup_logs",
    "pika": "otel_setup_pika",
    "psycopg": "otel_setup_psycopg",
    "sqlalchemy": "otel_setup_sqlalchemy",
    "starlette": "otel_setup_starlette",
}

#: Upstream's entry point name → ours, which has a part of its library and leaves it the rest. Where
#: ours is named upstream's has all of it; where upstream's is named, neither runs.
DIVIDED: Mapping[str, str] = {
    "botocore": "otel_setup_s3",
}

#: Entry points that are passed over, with the reason.
SKIPPED: Mapping[str, str] = {
    "system_metrics": "each worker would repeat the host's metrics; process.* come from otel_setup",
}


def disabled() -> frozenset[str]:
    """Return the names in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``; ``*`` stands for all."""
    names = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def stands_back(name: str) -> bool:
    """Tell whether the entry point *name* leaves its library to the other one of a pair."""
    if name in REPLACED:
        return REPLACED[name] not in disabled()
    pairs = (*REPLACED.items(), *DIVIDED.items())
    return any(ours == name and upstream in disabled() for upstream, ours in pairs)
