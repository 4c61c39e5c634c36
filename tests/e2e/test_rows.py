# SPDX-License-Identifier: Apache-2.0
"""Every question of the company that is said to be answered has an answer in Prometheus."""

from __future__ import annotations

import pytest

from e2e.running import Stack, poll_until
from services_demo.rows import ROWS, Query
from services_demo.stack import status
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

_SERVED = [(row, query) for row in ROWS for query in row.queries]

#: Rows that must not fall back to "not yet".
_PROMISED = {
    *("Q1", "Q2", "Q3", "Q4", "Q5", "Q6"),
    *("M1", "M2", "M3", "M4", "M5", "M7", "M8"),
    *("S1", "S3", "S4", "S5", "S6"),
    *("D1", "C1", "P1", "P4"),
}


@pytest.mark.parametrize(
    "query",
    [query for _row, query in _SERVED],
    ids=[f"{row.id} {query.title}" for row, query in _SERVED],
)
def test_a_served_row_has_data(stack: Stack, busy: FollowedOrder, query: Query) -> None:
    """After an hour's worth of orders in a minute the query has at least one number."""
    assert busy.order_id

    seen = poll_until(lambda: stack.query(query.promql), bool, query.promql, 40)

    assert len(seen) > 0


def test_the_promised_rows_are_served() -> None:
    """The rows that the README promises have queries."""
    assert {row.id for row in ROWS if row.queries} == _PROMISED


def test_every_row_has_queries_or_says_what_is_missing() -> None:
    """No row is silently empty."""
    assert [row.id for row in ROWS if bool(row.queries) == bool(row.missing)] == []


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
