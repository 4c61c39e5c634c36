# SPDX-License-Identifier: Apache-2.0
"""Any part may be killed while orders run: the others go on, it comes back, nothing is lost."""

from __future__ import annotations

import os
import signal

import httpx
import pytest

from e2e.running import Stack, poll_until
from services_demo.stack import launch
from services_demo.stack.errors import NotReady
from services_demo.traffic.order import FollowedOrder, OrderError
from services_demo.traffic.shapes import model_file

pytestmark = [pytest.mark.stack, pytest.mark.kills, pytest.mark.timeout(300)]

_PARTS = (
    *("postgres", "epmd", "rabbitmq", "versitygw", "prometheus", "alertmanager", "pager"),
    *("node-exporter", "otelcol", "zipkin", "database-reader"),
    *("shop-api", "shop-worker", "mes-api", "mes-worker", "crm-api", "crm-worker"),
)


def _serves(stack: Stack, name: str) -> bool:
    program = next(p for p in launch.programs(stack.place) if p.name == name)
    try:
        program.ready()
    except NotReady:
        return False
    return True


def _order(stack: Stack) -> str | FollowedOrder:
    try:
        return stack.follow_order(timeout=30)
    except OrderError as error:
        return str(error)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("part", _PARTS)
def test_a_killed_part_comes_back_and_orders_run(stack: Stack, part: str) -> None:
    """After kill -9 the part serves again by itself, and an order gets through."""
    before = stack.control.processes()[part]["pid"]
    os.kill(before, signal.SIGKILL)

    poll_until(
        lambda: stack.control.processes()[part],
        lambda info: info["pid"] not in {0, before} and info["statename"] == "RUNNING",
        f"{part} to be started again",
        60,
    )
    poll_until(lambda: _serves(stack, part), bool, f"{part} to serve", 60)
    order = poll_until(
        lambda: _order(stack), lambda seen: isinstance(seen, FollowedOrder), "an order", 90
    )

    assert isinstance(order, FollowedOrder)


@pytest.mark.usefixtures("busy")
def test_orders_placed_while_the_broker_is_down_are_notified(stack: Stack) -> None:
    """Orders are taken without a broker, and every customer hears of the price when it is back."""
    with stack.without("rabbitmq"), stack.customer("patient@example.com") as customer:
        ring = model_file("ring", "small", 3)
        path = f"/models?filename={ring.filename}"
        model = customer.post(path, content=ring.content).json()["model_id"]
        wish = {"model_id": model, "material": "gold", "quantity": 1}
        placed = [customer.post("/orders", json=wish).json()["order_id"] for _ in range(5)]

    def told() -> set[str]:
        return {
            order
            for order in placed
            for item in httpx.get(
                f"{stack.url('crm')}/notifications", params={"order_id": order}, timeout=10
            ).json()["items"]
            if item["kind"] == "priced"
        }

    seen = poll_until(told, lambda known: known == set(placed), "five notifications", 90)

    assert seen == set(placed)
