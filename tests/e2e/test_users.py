# SPDX-License-Identifier: Apache-2.0
"""Users and sessions, counted by a Shop API and a MES API with several workers each."""

from __future__ import annotations

import time

import pytest

from e2e.running import Stack, poll_until
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


#: Longer than from one export to the next.
_EXPORT_SECONDS = 4


def _totals(stack: Stack) -> dict[str, float]:
    found = stack.query('sum by (job) (http_server_user_requests_total{job=~"shop-api|mes-api"})')
    return {sample.labels["job"]: sample.value for sample in found}


def _at_rest(stack: Stack) -> dict[str, float]:
    """Return the totals when all earlier requests have arrived."""
    last: dict[str, float] = {}

    def unchanged() -> bool:
        nonlocal last
        before, last = last, _totals(stack)
        time.sleep(_EXPORT_SECONDS)
        return bool(last) and before == last

    poll_until(unchanged, bool, "the end of earlier requests", 40)
    return last


def test_each_request_of_a_user_counts_once(stack: Stack, busy: FollowedOrder) -> None:
    """Whichever worker answers: the sum over users is the number of requests with a user."""
    assert busy.order_id
    before = _at_rest(stack)

    with stack.customer() as customer, stack.operator() as operator:
        for _ in range(39):
            assert customer.get("/orders").status_code == 200
        for _ in range(19):
            assert operator.get("/operator/orders").status_code == 200
        customer.headers["Authorization"] = "Bearer nobody"
        assert customer.get("/orders").status_code == 401

    seen = poll_until(
        lambda: {job: total - before[job] for job, total in _totals(stack).items()},
        lambda grown: grown == {"shop-api": 40, "mes-api": 20},
        "40 requests of the customer, 20 of the operator",
        20,
    )
    assert seen == {"shop-api": 40, "mes-api": 20}


def test_the_busiest_have_series_of_their_own(stack: Stack, busy: FollowedOrder) -> None:
    """After traffic there are some, under pseudonyms, the same in all workers, and few."""
    assert busy.order_id
    with stack.operator("The Busiest") as operator:
        for _ in range(60):
            operator.get("/operator/orders")

    found = poll_until(
        lambda: stack.query(
            'count by (user_hash, user_group) (http_server_user_requests_total{job="mes-api"})'
        ),
        lambda seen: len(seen) > 1,
        "series of operators",
        20,
    )

    names = {sample.labels["user_hash"] for sample in found} - {"other"}
    assert {sample.labels["user_group"] for sample in found} == {"operator"}
    assert len(names) <= 24
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)


def test_sessions_are_counted_once(stack: Stack, busy: FollowedOrder) -> None:
    """A session is opened in one worker and used in another: the database knows how many."""
    assert busy.order_id
    for number in range(7):
        with stack.customer(f"session-{number}@example.com"):
            pass
    for metric, service, table in (
        ("shop_sessions", "shop", "session"),
        ("mes_sessions", "mes", "operator_session"),
    ):
        (live,) = stack.rows(service, f"SELECT count(*) FROM {table} WHERE expires_at > now()")[0]  # noqa: S608

        seen = poll_until(
            lambda metric=metric: [each.value for each in stack.query(f"max({metric})")],  # type: ignore[misc]
            lambda values, live=live: values == [live],  # type: ignore[misc]
            f"{live} sessions in {metric}",
            20,
        )

        assert seen == [live]
