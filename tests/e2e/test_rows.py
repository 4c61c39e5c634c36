# SPDX-License-Identifier: Apache-2.0
"""Every question of the company that is said to be answered has an answer in Prometheus."""

from __future__ import annotations

import pytest

from e2e.running import Stack, poll_until
from otel_setup.catalogue.boards import Query
from services_demo.catalogue.company import CATALOGUE
from services_demo.stack import report, status
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

#: A panel that two dashboards show is asked once.
_SERVED = {
    f"{question.id} {panel.title} {number}": query
    for question in CATALOGUE.questions
    for _dashboard, panel in CATALOGUE.panels_for(question)
    for number, query in enumerate(panel.queries, start=1)
    if not panel.may_be_empty
}

#: Rows that must not fall back to "not yet".
_PROMISED = {
    *("Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9", "Q10", "Q11"),
    *("M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8"),
    *("S1", "S2", "S3", "S4", "S5", "S6"),
    *("F1", "F2", "F3", "F4"),
    *("D1", "C1", "P1", "P2", "P4"),
}


@pytest.mark.parametrize("query", _SERVED.values(), ids=_SERVED.keys())
def test_a_served_row_has_data(stack: Stack, busy: FollowedOrder, query: Query) -> None:
    """After an hour's worth of orders in a minute the query has at least one number."""
    assert busy.order_id
    promql = query.expr.over("5m").text

    seen = poll_until(lambda: stack.query(promql), bool, promql, 40)

    assert len(seen) > 0


def test_the_promised_rows_are_served() -> None:
    """The rows that the README promises have panels."""
    served = {each.id for each in CATALOGUE.questions if CATALOGUE.panels_for(each)}
    assert served == _PROMISED


def test_the_table_shows_a_value_for_every_served_row(stack: Stack, busy: FollowedOrder) -> None:
    """What `make demo` prints has no hole in it."""
    assert busy.order_id

    lines = report.table(stack.url("prometheus")).splitlines()

    assert [line for line in lines if line.endswith("NO DATA")] == []


def test_the_whole_stack_stays_small(stack: Stack, busy: FollowedOrder) -> None:
    """All parts together hold at most 2.5 GB of resident memory after traffic."""
    assert busy.order_id

    # One large mesh in work is 90 MiB for a second; what stays is what counts.
    seen = poll_until(
        lambda: status.all_memory(stack.place) * 1024 * 1024,
        lambda size: size <= 2.5e9,
        "at most 2.5 GB",
        30,
    )

    assert seen <= 2.5e9
