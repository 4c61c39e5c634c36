# SPDX-License-Identifier: Apache-2.0
"""
The state of connection pools.

A request waits before it has any connection, so a port that nobody listens on is enough
for most of them.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from psycopg_pool import (
    AsyncConnectionPool,
    ConnectionPool,
    NullConnectionPool,
    PoolTimeout,
    TooManyRequests,
)
from psycopg_pool.base import BasePool

from otel_setup import testing
from otel_setup.instrumentation.database import pools
from otel_setup.instrumentation.database.psycopg_pool import PsycopgPoolInstrumentor
from tests.conftest import Telemetry
from tests.postgres_server import PostgresServer
from tests.programs import free_port

ORDERS = ("db.client.connection.pool.name", "orders")
IDLE = frozenset({ORDERS, ("db.client.connection.state", "idle")})
USED = frozenset({ORDERS, ("db.client.connection.state", "used")})
TIMEOUTS = "db.client.connection.timeouts"
WAITS = "db.client.connection.wait_time"
USES = "db.client.connection.use_time"
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


def _ask(pool: ConnectionPool, seconds: float) -> None:
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=seconds)


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


def test_who_gave_up_waits_no_longer(otel: testing.Telemetry, pool: ConnectionPool) -> None:
    """The pool itself keeps their places in its queue until a connection comes back."""
    for _ in range(3):
        with pytest.raises(PoolTimeout):
            pool.getconn(timeout=0.05)
    assert pool.get_stats()["requests_waiting"] == 3
    assert otel.metric(NAMES[2]).points[0].value == 0
    assert otel.metric(TIMEOUTS).points[0].value == 3
    (waits,) = otel.metric(WAITS).points
    assert (waits.labels, waits.value) == ({ORDERS[0]: "orders"}, 3)
    assert waits.sum >= 0.15


def test_who_is_sent_away_at_once_is_counted_as_well(otel: testing.Telemetry) -> None:
    """A full queue is the same fault as a wait in vain."""
    address = f"postgresql://127.0.0.1:{free_port()}/none"
    with ConnectionPool(
        address, min_size=0, max_size=1, max_waiting=1, name="orders", open=True
    ) as crowded:
        first = threading.Thread(target=_ask, args=(crowded, 1.0))
        first.start()
        deadline = time.monotonic() + 10
        while not crowded.get_stats()["requests_waiting"] and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(TooManyRequests):
            crowded.getconn()
        assert otel.metric(TIMEOUTS).points[0].value == 1
        first.join()
    assert otel.metric(TIMEOUTS).points[0].value == 2


def test_timeouts_are_counted_from_zero_on(
    otel: testing.Telemetry,
    pool: ConnectionPool,  # noqa: ARG001 - that there is one
) -> None:
    """A counter that is first seen at 1 has not risen for whoever reads it."""
    assert otel.metric(TIMEOUTS).points[0].value == 0


def test_a_pool_made_before_it_was_observed_is_known_by_its_first_connection(
    otel: testing.Telemetry,
) -> None:
    """A program may set up telemetry late."""
    PsycopgPoolInstrumentor().uninstrument()
    early = ConnectionPool(f"postgresql://127.0.0.1:{free_port()}/none", name="orders", open=True)
    PsycopgPoolInstrumentor().instrument()
    with early, pytest.raises(PoolTimeout):
        early.getconn(timeout=0.01)
    assert otel.metric(TIMEOUTS).points[0].value == 1


def test_pools_of_one_name_are_added_up(telemetry: Telemetry) -> None:
    """The SDK would keep the number of one of them."""
    both = [
        ConnectionPool("postgresql://127.0.0.1/none", name="orders", max_size=size, open=False)
        for size in (5, 6)
    ]
    assert telemetry.values(NAMES[1]) == {frozenset({ORDERS}): 11}
    assert len(both) == 2


def test_a_forked_child_has_none_of_its_parents_waits(
    telemetry: Telemetry, pool: ConnectionPool
) -> None:
    """Those who wait are threads of the parent."""
    waiting = threading.Thread(target=_ask, args=(pool, 3.0))
    waiting.start()
    deadline = time.monotonic() + 10
    while telemetry.values(NAMES[2])[frozenset({ORDERS})] != 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # threads and fork, as servers have them
        child = os.fork()
    if not child:
        os._exit(sum(about.waiting for _, about in pools._alive()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert telemetry.values(NAMES[2])[frozenset({ORDERS})] == 1
    waiting.join()


@pytest.mark.stack
@pytest.mark.parametrize("kind", [ConnectionPool, NullConnectionPool])
def test_a_connection_is_used_from_its_loan_to_its_return(
    otel: testing.Telemetry, postgres: PostgresServer, kind: type[ConnectionPool]
) -> None:
    """A transaction that stays open while the program does something else is seen."""
    with kind(postgres.crm, min_size=0, max_size=2, name="orders", open=True) as real:
        with real.connection():
            used = {
                point.labels["db.client.connection.state"]: point.value
                for point in otel.metric(NAMES[0]).points
            }
            time.sleep(0.1)
        lent = real.getconn()
        real.putconn(lent)
        (uses,), (waits,) = otel.metric(USES).points, otel.metric(WAITS).points
    assert used["used"] == 1
    assert (uses.value, waits.value) == (2, 2)
    assert uses.sum >= 0.1
    assert otel.metric(TIMEOUTS).points[0].value == 0


@pytest.mark.stack
def test_a_pool_of_asyncio_tells_the_same(
    otel: testing.Telemetry, postgres: PostgresServer
) -> None:
    """Two are lent, one waits in vain, and one is cancelled, which is no timeout."""

    async def main() -> None:
        async with (
            AsyncConnectionPool(
                postgres.crm, min_size=1, max_size=2, name="orders", open=False
            ) as real,
            real.connection(),
            real.connection(),
        ):
            with pytest.raises(PoolTimeout):
                await real.getconn(timeout=0.05)
            asking = asyncio.create_task(real.getconn())
            await asyncio.sleep(0.05)
            assert otel.metric(NAMES[2]).points[0].value == 1
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert otel.metric(NAMES[2]).points[0].value == 0

    asyncio.run(main())
    assert otel.metric(TIMEOUTS).points[0].value == 1
    assert otel.metric(WAITS).points[0].value == 4
    assert otel.metric(USES).points[0].value == 2


def test_each_series_reads_its_own_number(
    telemetry: Telemetry, pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Used is what the pool has and does not hold ready."""
    busy = {"pool_size": 5, "pool_available": 2, "pool_max": 9}
    stats = {**pool.get_stats(), **busy}
    monkeypatch.setattr(pool, "get_stats", lambda: stats)
    assert [telemetry.values(name) for name in NAMES] == [
        {IDLE: 2, USED: 3},
        {frozenset({ORDERS}): 9},
        {frozenset({ORDERS}): 0},
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
