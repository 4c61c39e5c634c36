# SPDX-License-Identifier: Apache-2.0
"""
What telemetry costs a statement: psycopg bare, with ours, and with upstream's, side by side.

    python -m benchmarks.database_cost postgresql://…

CPU time of the process, the median of several rounds that take turns, so that a busy machine
disturbs all of them alike. The statement is the smallest there is; spans are sampled, and go
to an exporter that forgets them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import side_by_side

ROUNDS = 7
STATEMENTS = 1500
TEXT = "SELECT id FROM (VALUES (1), (2)) AS bench (id) WHERE id = %s"


def measure(connection: Any) -> float:
    """Return the microseconds of CPU time of one statement."""
    cursor = connection.cursor()
    begun = time.process_time()
    for number in range(STATEMENTS):
        cursor.execute(TEXT, (number,))
        cursor.fetchall()
    return (time.process_time() - begun) / STATEMENTS * 1e6


def main() -> None:
    """Print what each costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of a PostgreSQL database, which is only read")
    address = parser.parse_args().address
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "database,http"
    side_by_side.provide()
    import psycopg  # noqa: PLC0415 - as above
    from opentelemetry.instrumentation.psycopg import (  # noqa: PLC0415
        PsycopgInstrumentor as Upstream,
    )

    from otel_setup.instrumentation.database.psycopg import (  # noqa: PLC0415
        PsycopgInstrumentor as Ours,
    )

    def bare() -> float:
        with psycopg.connect(address, autocommit=True) as connection:
            return measure(connection)

    def upstream() -> float:
        with psycopg.connect(address, autocommit=True) as plain:
            return measure(Upstream.instrument_connection(plain))

    def ours() -> float:
        Ours().instrument()
        try:
            return bare()
        finally:
            Ours().uninstrument()

    ways: dict[str, Callable[[], float]] = {"bare": bare, "ours": ours, "upstream's": upstream}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way())
    floor = statistics.median(found["bare"])
    for name, times in found.items():
        middle = statistics.median(times)
        print(f"{name:<12}{middle:8.1f} µs{middle - floor:+8.1f} µs")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
