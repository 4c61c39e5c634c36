# SPDX-License-Identifier: Apache-2.0
"""
Which libraries are instrumented, when, and with what arguments.

`opentelemetry-instrument` finds instrumentations through entry points. These tables
say what the upstream ones are told beyond their defaults; one that is not listed
runs with its defaults, at once.
"""

from __future__ import annotations

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
    "aiobotocore": "aiobotocore.client",
    "botocore": "botocore.client",
    "fastapi": "fastapi",
    "flask": "flask",
    "otel_setup_psycopg_pool": "psycopg_pool.base",
    "pika": "pika",
    "psycopg": "psycopg",
    "sqlalchemy": "sqlalchemy",
}

#: Entry points that are passed over, with the reason.
SKIPPED: Mapping[str, str] = {
    "system_metrics": "each worker would repeat the host's metrics; process.* come from otel_setup",
}
