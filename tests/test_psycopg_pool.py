# SPDX-License-Identifier: Apache-2.0
"""
The state of connection pools, without a database.

A pool counts a request that waits before it has any connection, so a port that
nobody listens on is enough here; the tests on the running stack have real ones.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator

import pytest
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import BasePool

from otel_setup.instrumentation.database import PsycopgPoolInstrumentor
from tests.conftest import Telemetry
from tests.programs import free_port

ORDERS = ("db.client.connection.pool.name", "orders")
IDLE = frozenset({ORDERS, ("db.client.connection.state", "idle")})
USED = frozenset({ORDERS, ("db.client.connection.state", "used")})
NAMES = (
    "db.client.connection.count",
    "db.client.connection.max",
    "db.client.connection.pending_requests",
)


@pytest.fixture(autouse=True)
def _instrumented(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> Iterator[None]:  # noqa: ARG001
    """Observe pools for one test."""
    caplog.set_level(logging.CRITICAL, "psycopg.pool")
    PsycopgPoolInstrumentor().instrument()
    yield
    PsycopgPoolInstrumentor().uninstrument()


@pytest.fixture
def pool() -> Iterator[ConnectionPool]:
    """A pool of up to seven connections whose database is away."""
    address = f"postgresql://127.0.0.1:{free_port()}/none"
    with ConnectionPool(address, min_size=0, max_size=7, name="orders", open=True) as opened:
        yield opened


def test_an_idle_pool_reports_all_its_series(telemetry: Telemetry, pool: ConnectionPool) -> None:  # noqa: ARG001
    """Zeros are reported, so that a dashboard can tell them from a pool that is gone."""
    assert [telemetry.values(name) for name in NAMES] == [
        {IDLE: 0, USED: 0},
        {frozenset({ORDERS}): 7},
        {frozenset({ORDERS}): 0},
    ]


def test_who_waits_for_a_connection_is_counted(telemetry: Telemetry, pool: ConnectionPool) -> None:
    """A request that waits shows at once, not when it has failed."""
    waiting = frozenset({ORDERS})
    errors: list[Exception] = []

    def ask() -> None:
        try:
            pool.getconn(timeout=1.0)
        except PoolTimeout as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 10
    while telemetry.values(NAMES[2])[waiting] != 1 and time.monotonic() < deadline:
        assert asking.is_alive()
        time.sleep(0.02)
    assert telemetry.values(NAMES[2])[waiting] == 1
    asking.join()
    assert len(errors) == 1


def test_each_series_reads_its_own_number(
    telemetry: Telemetry, pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Used is what the pool has and does not hold ready."""
    busy = {"pool_size": 5, "pool_available": 2, "pool_max": 9, "requests_waiting": 3}
    stats = {**pool.get_stats(), **busy}
    monkeypatch.setattr(pool, "get_stats", lambda: stats)
    assert [telemetry.values(name) for name in NAMES] == [
        {IDLE: 2, USED: 3},
        {frozenset({ORDERS}): 9},
        {frozenset({ORDERS}): 3},
    ]


def test_a_pool_that_its_program_forgot_is_not_reported(telemetry: Telemetry) -> None:
    """Being observed does not keep a pool alive."""
    forgotten = ConnectionPool("postgresql://127.0.0.1/none", name="orders", open=False)
    assert set(telemetry.values(NAMES[1])) == {frozenset({ORDERS})}
    del forgotten
    gc.collect()
    assert telemetry.values(NAMES[1]) == {}


def test_uninstrument_gives_the_library_back(telemetry: Telemetry) -> None:
    """The class is as it came, and nothing is reported any more; instrument() mirrors it."""
    patched = BasePool.__init__
    PsycopgPoolInstrumentor().uninstrument()
    try:
        assert (type(BasePool.__init__).__name__, patched is BasePool.__init__) == (
            "function",
            False,
        )
        made = ConnectionPool("postgresql://127.0.0.1/none", name="orders", open=False)
        assert [telemetry.metric(name) for name in NAMES] == [None, None, None]
        assert made.name == "orders"
    finally:
        PsycopgPoolInstrumentor().instrument()
