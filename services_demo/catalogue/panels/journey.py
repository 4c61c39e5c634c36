# SPDX-License-Identifier: Apache-2.0
"""How orders and events move between the services."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, latest, quantile, rate
from services_demo.catalogue import bus, crm, mes, shop
from services_demo.catalogue.panels.common import waits

_QUEUE = "messaging.destination.name"


def flow(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many orders pass each step from placing to telling that they are finished."""

    def reached(state: str) -> Expr:
        return _orders(rate(mes.MES_TRANSITIONS, where={"to": state, "from": f"!{state}"}))

    told = _orders(rate(crm.NOTIFICATIONS_SENT, where={"kind": "finished"}))
    return Panel(
        title=Text("Do orders flow?", "Движутся ли заказы?"),
        queries=(
            Query(rate(shop.ORDERS_CREATED), "placed"),
            Query(reached("priced"), "priced"),
            Query(reached("approved"), "approved"),
            Query(reached("finished"), "finished"),
            Query(told, "told that it is finished"),
        ),
        why=Text(
            "Each line follows the one above. Where one falls and the others do not, orders pile "
            "up before that step.",
            "Каждая линия повторяет предыдущую. Если одна упала, а остальные нет, заказы копятся "
            "перед этим шагом.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def stuck(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long the order without a price, and the event in each outbox, has waited."""
    return Panel(
        title=Text("What is stuck, and for how long?", "Что застряло и надолго ли?"),
        queries=(
            Query(latest(shop.SHOP_UNPRICED_AGE, fold="max"), "order without a price"),
            Query(latest(shop.SHOP_OUTBOX_AGE, fold="max"), "event in the Shop's outbox"),
            Query(latest(mes.MES_OUTBOX_AGE, fold="max"), "event in the outbox of the MES"),
        ),
        why=Text(
            "The oldest of each. A line that rises as fast as the clock is something that nobody "
            "works on.",
            "Самое старое в каждой группе. Если линия растёт вместе с часами, этим никто не "
            "занимается.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(bus.STUCK_SECONDS, "warning"), Threshold(shop.UNPRICED_SECONDS)),
    )


def outboxes(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many events wait in each outbox."""
    return Panel(
        title=Text("Events that wait in an outbox", "События, ждущие в outbox"),
        queries=(
            Query(latest(shop.SHOP_OUTBOX_UNSENT, fold="max"), "Shop"),
            Query(latest(mes.MES_OUTBOX_UNSENT, fold="max"), "MES"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def orders_by_state(
    *, in_mes: bool = False, rows: tuple[str, ...] = (), leads_to: str = ""
) -> Panel:
    """Return where all orders are, as the Shop or the MES sees them."""
    metric = mes.MES_ORDERS if in_mes else shop.SHOP_ORDERS
    return Panel(
        title=Text("Where are all orders, for the MES?", "Где все заказы с точки зрения MES?")
        if in_mes
        else Text("Where are all orders, for the Shop?", "Где все заказы с точки зрения Магазина?"),
        queries=(Query(latest(metric, by=["order.state"], fold="max"), "{{order_state}}"),),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        may_be_empty=Text("no order was placed yet", "ни одного заказа ещё нет"),
    )


def event_failures(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which events could not be handled, and why."""
    return Panel(
        title=Text("Which events fail, and why?", "Какие события не обработаны и почему?"),
        queries=(
            Query(
                rate(bus.EVENT_FAILURES, by=[_QUEUE, "error.type"]),
                "{{messaging_destination_name}} {{error_type}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def event_delay(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how late the events of each queue are handled."""
    return Panel(
        title=Text("How late are events handled (p95)?", "Насколько опаздывают события (p95)?"),
        queries=(
            Query(quantile(0.95, bus.EVENT_DELAY, by=[_QUEUE]), "{{messaging_destination_name}}"),
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(bus.IN_TIME_SECONDS, "warning"),),
    )


def told(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many notifications are written, by what customers are told."""
    return Panel(
        title=Text("Notifications to customers", "Уведомления клиентам"),
        queries=(Query(rate(crm.NOTIFICATIONS_SENT, by=["kind"]), "{{kind}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def until_told(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long it takes until customers are told what happened."""
    return waits(
        Text("How late are customers told?", "С каким опозданием узнают клиенты?"),
        crm.NOTIFICATION_DELAY,
        crm.TOLD_IN_SECONDS,
        rows=rows,
        leads_to=leads_to,
    )


def _orders(expr: Expr) -> Expr:
    """Count orders with what happens once for each of them."""
    return replace(expr, unit="{order}/s")
