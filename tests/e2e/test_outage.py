# SPDX-License-Identifier: Apache-2.0
"""What the Collector keeps while Prometheus is away."""

from __future__ import annotations

import pytest

from e2e.running import Stack, poll_until
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_metrics_of_an_outage_arrive_afterwards(stack: Stack, busy: FollowedOrder) -> None:
    """The counter has a value for a moment at which Prometheus did not run."""
    assert busy.order_id
    with stack.without("prometheus"):
        order = stack.follow_order()
        (placed,) = stack.rows("shop", "SELECT count(*) FROM customer_order")[0]
        # Past the next exports of the services and the Collector, with Prometheus still away.
        (moment,) = stack.rows("shop", "SELECT extract(epoch FROM now() + interval '5 s')")[0]
        stack.rows("shop", "SELECT pg_sleep(7)::text")
    stack.await_prometheus()

    seen = poll_until(
        lambda: stack.query(f"sum(shop_orders_created_total @ {float(moment):.3f})"),
        lambda samples: [s.value for s in samples] == [placed],
        f"{placed} orders at the moment of the outage",
        30,
    )

    assert order.order_id
    assert [s.value for s in seen] == [placed]
