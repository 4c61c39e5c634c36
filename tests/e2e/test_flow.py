# SPDX-License-Identifier: Apache-2.0
"""An order from the customer's click to the customer's notification, and its telemetry."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from e2e.running import Stack, poll_until
from services_demo.stack import traces
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]


def _spans(stack: Stack, caller_trace_id: str) -> list[dict[str, Any]]:
    trace_id, seen = traces.wait_for_way(stack.url("zipkin"), caller_trace_id, 30)
    assert set(traces.WAY) <= set(seen)
    answer = httpx.get(f"{stack.url('zipkin')}/api/v2/trace/{trace_id}", timeout=10)
    return list(answer.json())


def test_a_finished_order_is_notified_exactly_once(stack: Stack, busy: FollowedOrder) -> None:
    """The customer of a finished order has one notification that says so."""
    seen = stack.rows(
        "crm", "SELECT count(*) FROM notification WHERE order_id = %s AND kind = 'finished'",
        busy.order_id,
    )  # fmt: skip

    assert seen == [(1,)]


def test_every_order_that_was_placed_is_known_to_all_three(
    stack: Stack, busy: FollowedOrder
) -> None:
    """Shop, MES and CRM have the same orders when the traffic is over."""
    shop = {str(row[0]) for row in stack.rows("shop", "SELECT order_id FROM customer_order")}

    mes = poll_until(
        lambda: {
            str(row[0]) for row in stack.rows("mes", "SELECT order_id FROM manufacturing_order")
        },
        lambda seen: seen == shop,
        "the Shop's orders in the MES",
        20,
    )
    crm = poll_until(
        lambda: {str(row[0]) for row in stack.rows("crm", "SELECT order_id FROM customer_order")},
        lambda seen: seen == shop,
        "the Shop's orders in the CRM",
        20,
    )

    assert busy.order_id in shop
    assert (mes, crm) == (shop, shop)


def test_the_counter_of_orders_equals_the_database(stack: Stack, busy: FollowedOrder) -> None:
    """As many orders are counted in Prometheus as lie in the Shop's database."""
    assert busy.order_id
    (placed,) = stack.rows("shop", "SELECT count(*) FROM customer_order")[0]

    seen = poll_until(
        lambda: sum(s.value for s in stack.query("sum(shop_orders_created_total)")),
        lambda value: value == placed,
        f"{placed} orders in the counter",
        20,
    )

    assert seen == placed


def test_one_trace_goes_through_both_queues(stack: Stack, busy: FollowedOrder) -> None:
    """Each hop's span descends from the hop before: Shop, queue, MES, queue, CRM."""
    spans = {span["id"]: span for span in _spans(stack, busy.caller_trace_id)}

    def ancestors(span: dict[str, Any]) -> list[tuple[str, str]]:
        seen = []
        while span is not None:
            seen.append((span["localEndpoint"]["serviceName"], span.get("kind", "")))
            span = spans.get(span.get("parentId", ""))
        return seen

    told = next(
        span
        for span in spans.values()
        if span["localEndpoint"]["serviceName"] == "crm-worker" and span.get("kind") == "CONSUMER"
        and ("mes-worker", "PRODUCER") in ancestors(span)
    )  # fmt: skip
    way = list(dict.fromkeys(reversed(ancestors(told))))

    assert way == [
        ("shop-api", "SERVER"),
        ("shop-worker", "PRODUCER"),
        ("mes-worker", "CONSUMER"),
        ("mes-worker", ""),
        ("mes-worker", "PRODUCER"),
        ("crm-worker", "CONSUMER"),
    ]


def test_a_trace_of_a_stranger_is_not_taken_over(stack: Stack, busy: FollowedOrder) -> None:
    """The Shop stands at the edge: the customer's trace has no span of ours, ours links to it."""
    trace_id, _ = traces.wait_for_way(stack.url("zipkin"), busy.caller_trace_id, 30)

    assert trace_id not in {"", busy.caller_trace_id}
    assert traces.services(stack.url("zipkin"), busy.caller_trace_id) == []


def test_health_checks_leave_no_series(stack: Stack, busy: FollowedOrder) -> None:
    """The probes ask /healthz all the time, and no series knows of it."""
    assert busy.order_id

    seen = stack.query('http_server_request_duration_seconds_count{http_route=~".*healthz.*"}')

    assert seen == []


def test_looking_for_work_makes_no_traces(stack: Stack, busy: FollowedOrder) -> None:
    """No worker has a trace that is one query of its own: those would bury the real ones."""
    assert busy.order_id

    found = [
        trace
        for worker in ("shop-worker", "mes-worker", "crm-worker")
        for trace in httpx.get(
            f"{stack.url('zipkin')}/api/v2/traces",
            params={"serviceName": worker, "limit": 200, "lookback": 300_000},
            timeout=10,
        ).json()
    ]
    lonely = [
        (trace[0]["localEndpoint"]["serviceName"], trace[0]["name"])
        for trace in found
        if len(trace) == 1
    ]

    assert len(found) > 0
    assert lonely == []
