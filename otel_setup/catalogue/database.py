# SPDX-License-Identifier: Apache-2.0
"""Metrics of database clients; names of the semantic conventions (db namespace)."""

from otel_setup.catalogue.model import Histogram, UpDownCounter

OPERATION_DURATION = Histogram(
    name="db.client.operation.duration",
    unit="s",
    # The bounds that the conventions advise.
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    description="Duration of queries, as the service sees it.",
    why="Tells whether a slow page waits for the database.",
    attributes={
        "db.system.name": "kind of the database; postgresql",
        "db.namespace": "name of the database; one per service",
        "server.address": "host of the database",
        "server.port": "port of the database",
        "error.type": "class of the failure; absent when there was none",
    },
)

_POOL = {"db.client.connection.pool.name": "name of the pool; one per service"}

CONNECTIONS = UpDownCounter(
    name="db.client.connection.count",
    unit="{connection}",
    description="Connections of the pool.",
    why="A pool with no idle connection is where requests begin to wait.",
    attributes={**_POOL, "db.client.connection.state": "used or idle"},
)

CONNECTIONS_MAX = UpDownCounter(
    name="db.client.connection.max",
    unit="{connection}",
    description="Connections that the pool may open.",
    why="Used connections divided by this is the saturation of the pool.",
    attributes=_POOL,
)

PENDING_REQUESTS = UpDownCounter(
    name="db.client.connection.pending_requests",
    unit="{request}",
    description="Requests that wait for a free connection of the pool.",
    why="A pool that is too small looks like a slow database; this tells them apart.",
    attributes=_POOL,
)
