# SPDX-License-Identifier: Apache-2.0
"""Gauges read from a database, by the one process of a service that runs its relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from otel_setup import observe

if TYPE_CHECKING:
    from otel_setup.catalogue.model import Gauge
    from services_demo.database import Pool


def observe_sql(pool: Pool, entry: Gauge, query: LiteralString, label: str | None = None) -> None:
    """
    Have *entry* show the column `value` of each row that *query* returns at every export.

    The column `label` of the row becomes the attribute *label*.
    """

    def read() -> list[tuple[float, dict[str, str]]]:
        # An export must not wait behind the work for a connection.
        with pool.connection(timeout=1) as database:
            rows = database.execute(query).fetchall()
        return [(float(row["value"]), {label: row["label"]} if label else {}) for row in rows]

    observe(entry, read)


def observe_outbox(pool: Pool, unsent: Gauge, oldest_age: Gauge) -> None:
    """Have the two gauges show how many events wait in the outbox, and for how long."""
    observe_sql(pool, unsent, "SELECT count(*) AS value FROM outbox WHERE sent_at IS NULL")
    observe_sql(
        pool,
        oldest_age,
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS value"
        " FROM outbox WHERE sent_at IS NULL",
    )
