# SPDX-License-Identifier: Apache-2.0
"""A database that dies and sessions that wait for each other are named, and told once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psycopg
import pytest

from e2e.alarms import BESIDES, WATCHDOG, begin, firing, news, wait
from e2e.running import Stack, poll_until
from services_demo.stack.infrastructure import database_url
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.kills, pytest.mark.timeout(600)]


@pytest.fixture(name="url")
def _url(stack: Stack) -> str:
    return database_url(stack.place, "crm", "crm")


@contextlib.contextmanager
def _jam(url: str, sessions: int) -> Iterator[None]:
    """Have *sessions* wait behind one that holds a table of the test's own and does nothing."""
    with contextlib.ExitStack() as ending:
        with psycopg.connect(url, autocommit=True) as maker:
            maker.execute("CREATE TABLE IF NOT EXISTS jam (id int)")
        holder = ending.enter_context(contextlib.closing(psycopg.connect(url)))
        holder.execute("LOCK TABLE jam IN ACCESS EXCLUSIVE MODE")
        for _ in range(sessions):
            waiting = ending.enter_context(contextlib.closing(psycopg.connect(url)))
            thread = threading.Thread(target=_wait_for_it, args=(waiting,))
            thread.start()
            ending.callback(thread.join)
            ending.callback(waiting.cancel_safe)
        yield


def _wait_for_it(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute("SELECT * FROM jam")


def test_a_pile_up_behind_a_lock_is_one_notification(
    stack: Stack, busy: FollowedOrder, url: str
) -> None:
    """It names the database, holds back the forgotten transaction behind it, and ends with it."""
    assert busy.order_id
    began = begin(stack)
    with _jam(url, 3):
        told = wait(stack, "PostgresLocksPileUp", began, 180)
        forgotten = poll_until(
            lambda: stack.query('ALERTS{alertname="PostgresTransactionForgotten"}'),
            lambda seen: any(each.labels["alertstate"] == "firing" for each in seen),
            "the forgotten transaction to fire",
            180,
        )
    # The end of a warning is told with the next message of its group, minutes later.
    poll_until(lambda: firing(stack) - BESIDES, lambda seen: seen == {WATCHDOG}, "calm again", 120)

    assert told["labels"]["postgresql_database_name"] == "crm"
    assert forgotten[0].labels["postgresql_database_name"] == "crm"
    assert news(stack, began) - BESIDES == {"PostgresLocksPileUp"}


def test_a_database_that_is_away_is_told_within_a_minute(stack: Stack, busy: FollowedOrder) -> None:
    """By its own alert, once, whatever else its clients and the Collector say; and its end too."""
    assert busy.order_id
    began = begin(stack)
    with stack.without("postgres"):
        told = wait(stack, "PostgresDown", began, 60)
        poll_until(
            lambda: stack.query('ALERTS{alertname="PostgresSilent", alertstate="firing"}'),
            bool,
            "the Collector's own alert",
            300,
        )
    over = wait(stack, "PostgresDown", began, 120, "resolved")

    assert told["labels"]["server_port"] == str(stack.place.port("postgres"))
    assert over["resolved_at"] > told["received_at"]
    assert news(stack, began) & {"PostgresSilent", "DatabaseQueriesFail"} == set()
