# SPDX-License-Identifier: Apache-2.0
"""Why the operators' list is slow: the dashboard's figures name each cause, and no other one."""

from __future__ import annotations

import math
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psycopg
import pytest
from psycopg import sql

from e2e.running import Stack, poll_until, run_stack
from otel_setup.catalogue.alerts.database import MANY_QUERIES, SLOW_SECONDS
from otel_setup.catalogue.boards import Panel
from otel_setup.catalogue.entries import database, sessions
from otel_setup.catalogue.promql import Expr, latest, selector, written
from services_demo.catalogue import mes, panels
from services_demo.catalogue.panels import operators
from services_demo.stack import infrastructure
from services_demo.stack.layout import REPOSITORY

# Its alerts would be news to the tests that want quiet.
pytestmark = [pytest.mark.stack, pytest.mark.kills, pytest.mark.timeout(600)]

#: Windows are as short as the exports, every 2 s, allow: what was before is soon forgotten.
_WINDOW = "12s"
#: An export, a reading of the server and the window; a busy machine is given more.
_NAMED_SECONDS = 90.0

#: More would wait for each other: each worker has two connections.
_OPERATORS = 2
_PAUSE_SECONDS = 0.3

_CAUSES = ("pool", "queries", "statement", "lock", "page")


@contextmanager
def _looking(stack: Stack) -> Iterator[None]:
    """Have operators look at the list all the time."""
    stop = threading.Event()

    def look(name: str) -> None:
        with stack.operator(name) as operator:
            while not stop.wait(_PAUSE_SECONDS):
                operator.get(mes.ORDER_LIST)

    threads = [
        threading.Thread(target=look, args=(f"looker-{number}",)) for number in range(_OPERATORS)
    ]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in threads:
            each.join()


@contextmanager
def _slow(stack: Stack, cause: str) -> Iterator[None]:
    """Switch *cause* on for the length of the block, with the command that people use."""
    _switch(stack, cause)
    try:
        yield
    finally:
        _switch(stack, "off")


def _switch(stack: Stack, *words: str) -> str:
    ended = run_stack("slow", *words, **stack.variables, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def _highest(stack: Stack, panel: Panel) -> float:
    """Return the highest value that *panel* shows now; 0 while it shows nothing."""
    found = [
        sample.value
        for query in panel.queries
        for sample in stack.query(query.expr.over(_WINDOW).text)
        if not math.isnan(sample.value)
    ]
    return max(found, default=0.0)


def _named(stack: Stack) -> set[str]:
    """Return the causes that the figures name, as somebody reads the row of panels."""
    found = {
        cause
        for cause, panel, bound in (
            ("pool", panels.list_waits(), operators.WAIT_SECONDS),
            ("queries", panels.list_queries(), MANY_QUERIES),
            ("page", panels.statement_rows(), operators.MANY_ROWS),
            ("lock", panels.lock_waits(), 1),
        )
        if _highest(stack, panel) >= bound
    }
    slow = _highest(stack, panels.statements()) >= SLOW_SECONDS
    # Neither many rows nor a lock: then it is the statement itself.
    return found | ({"statement"} if slow and not found & {"page", "lock"} else set())


def _await(stack: Stack, wanted: set[str], what: str) -> None:
    began = time.monotonic()
    poll_until(lambda: _named(stack), lambda seen: seen == wanted, what, _NAMED_SECONDS)
    print(f"{what}: {time.monotonic() - began:.1f} s")  # noqa: T201 - with -rP


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("cause", _CAUSES)
def test_the_figures_name_the_cause_and_no_other(stack: Stack, cause: str) -> None:
    """And none any more when it is over."""
    with _looking(stack):
        _await(stack, set(), f"nothing to be named before {cause}")
        with _slow(stack, cause):
            _await(stack, {cause}, f"{cause} to be named")
        _await(stack, set(), f"{cause} to be over")


@pytest.mark.usefixtures("busy")
def test_every_query_of_the_guide_has_an_answer(stack: Stack) -> None:
    """As it is pasted from there, in the hour in which somebody needs it."""
    guide = (REPOSITORY / "docs" / "slow-page.md").read_text()
    queries = re.findall(r"^```promql\n(.*?)\n```$", guide, re.MULTILINE | re.DOTALL)
    with _looking(stack):
        for promql in queries:
            poll_until(lambda promql=promql: stack.query(promql), bool, promql, 40)  # type: ignore[misc]
    assert queries


def test_the_command_says_what_is_set(stack: Stack) -> None:
    """And that it is off, when it is."""
    with _slow(stack, "queries"):
        assert _switch(stack).startswith("queries until ")
    assert _switch(stack) == "off: the list of orders is as fast as it can be\n"


def _tokens(stack: Stack, count: int) -> list[str]:
    """Return the headers of so many operators who are signed in."""
    found = []
    for number in range(count):
        with stack.operator(f"waiter-{number}") as operator:
            found.append(operator.headers["Authorization"])
    return found


@contextmanager
def _asking(stack: Stack, tokens: list[str]) -> Iterator[list[httpx.Response]]:
    """Have all operators ask for the list at once; when the block is left all were answered."""
    answers: list[httpx.Response] = []

    def ask(token: str) -> None:
        with httpx.Client(base_url=stack.url("mes"), timeout=60) as client:
            answers.append(client.get(mes.ORDER_LIST, headers={"Authorization": token}))

    threads = [threading.Thread(target=ask, args=(token,)) for token in tokens]
    for each in threads:
        each.start()
    try:
        yield answers
    finally:
        for each in threads:
            each.join()


@contextmanager
def _locked(stack: Stack, table: str) -> Iterator[None]:
    """Hold the lock of a migration on *table* of the MES for the length of the block."""
    url = infrastructure.database_url(stack.place, "mes", "mes")
    with psycopg.connect(url) as database:
        lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table))
        database.execute(lock)
        yield
        database.rollback()


def _value(stack: Stack, expr: Expr) -> float:
    return sum(sample.value for sample in stack.query(expr.text))


def _timeouts(stack: Stack) -> float:
    """Return how many requests of the MES API have given up waiting for a connection."""
    counted = selector(database.TIMEOUTS, {"job": mes.JOB})
    return _value(stack, written(f"sum({counted})", "{timeout}", database.TIMEOUTS))


def _told(answers: list[httpx.Response]) -> set[tuple[int, str, str | None]]:
    """Return what operators are told."""
    return {
        (each.status_code, each.json()["error"]["code"], each.headers.get("Retry-After"))
        for each in answers
    }


_UNAVAILABLE = {(503, "database_unavailable", "5")}


@pytest.mark.usefixtures("busy")
def test_a_lock_pile_up_is_named_while_operators_wait(stack: Stack) -> None:
    """By the sessions that stand behind it; operators are told what they always were."""
    tokens = _tokens(stack, 8)
    with _locked(stack, "manufacturing_order"), _asking(stack, tokens) as answers:
        began = time.monotonic()
        poll_until(
            lambda: _highest(stack, panels.lock_waits()),
            lambda seen: seen >= 2,
            "sessions that wait for a lock",
            20,
        )
        print(f"lock pile-up named after {time.monotonic() - began:.1f} s")  # noqa: T201

    assert _told(answers) == _UNAVAILABLE


@pytest.mark.usefixtures("busy")
def test_an_exhausted_pool_is_counted(stack: Stack) -> None:
    """Who waits longer than the pool's five seconds is a timeout; the answer is as before."""
    tokens = _tokens(stack, 12)
    before = _timeouts(stack)
    with _locked(stack, "manufacturing_order"), ExitStack() as asking:
        # Those who have a connection give up later than those who wait for one.
        with _locked(stack, "operator_session"):
            answers = asking.enter_context(_asking(stack, tokens))
            time.sleep(3)
        began = time.monotonic()
        poll_until(lambda: _timeouts(stack), lambda seen: seen > before, "timeouts counted", 30)
        print(f"timeouts counted after {time.monotonic() - began - 2:.1f} s")  # noqa: T201

    assert _told(answers) == _UNAVAILABLE


@pytest.mark.usefixtures("busy")
def test_a_killed_database_is_named_and_its_return_too(stack: Stack) -> None:
    """By the reader of its server, while operators are told what they always were."""
    tokens = _tokens(stack, 1)
    before = _timeouts(stack)
    os.kill(stack.control.processes()["postgres"]["pid"], signal.SIGKILL)
    with stack.without("postgres"):
        began = time.monotonic()
        poll_until(
            lambda: [sample.value for sample in stack.query(latest(sessions.UP).text)],
            lambda seen: seen == [0],
            "a server that is down",
            30,
        )
        print(f"killed database named after {time.monotonic() - began:.1f} s")  # noqa: T201
        with _asking(stack, tokens) as answers:
            pass
        poll_until(lambda: _timeouts(stack), lambda seen: seen > before, "timeouts of the pool", 30)
    poll_until(
        lambda: [sample.value for sample in stack.query(latest(sessions.UP).text)],
        lambda seen: seen == [1],
        "a server that is up",
        90,
    )

    assert _told(answers) == _UNAVAILABLE
    with _asking(stack, tokens) as answers:
        pass
    assert [each.status_code for each in answers] == [200]
