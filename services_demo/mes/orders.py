# SPDX-License-Identifier: Apache-2.0
"""Orders in the MES: what arrives from the Shop, and what operators do with it."""

from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from otel_setup import capture_context, instrument
from services_demo.bus import NotYet, Refuse, put
from services_demo.catalogue import mes as catalogue
from services_demo.database import Connection
from services_demo.mes.states import (
    BY_OPERATOR,
    ClaimedByAnother,
    State,
    as_others_see_it,
    check,
)
from services_demo.messages import (
    Message,
    OrderApproved,
    OrderCancelled,
    OrderPlaced,
    OrderStateChanged,
)
from services_demo.web.errors import not_found
from services_demo.web.pages import Page, fetch_page

TRANSITIONS = instrument(catalogue.MES_TRANSITIONS)

#: What the list of orders shows, of all orders or of those in one state; and in which order.
LISTED: LiteralString = (
    "SELECT order_id, material, quantity, state, price_cents, currency, failure, operator,"
    " placed_at, created_at, updated_at FROM manufacturing_order"
    " WHERE (%(state)s::text IS NULL OR state = %(state)s)"
)
OLDEST_FIRST: LiteralString = "created_at, order_id"


def apply_event(connection: Connection, message: Message) -> None:
    """Take over what the Shop says about an order."""
    if isinstance(message, OrderPlaced):
        _receive(connection, message)
        return
    order = lock(connection, message.order_id)
    if order is None:
        raise NotYet(f"order {message.order_id} is not known yet")
    state = State(order["state"])
    if isinstance(message, OrderApproved):
        if state in {State.PRICED, State.PRICE_FAILED}:
            _approve(connection, message, state)
    elif isinstance(message, OrderCancelled):
        # Too late for what is finished: the Shop and CRM learn of that and follow.
        if state not in {State.FINISHED, State.SHIPPED, State.CANCELLED, State.REJECTED}:
            drop_price_task(connection, message.order_id)
            move(connection, message.order_id, state, State.CANCELLED)
    else:
        raise Refuse(f"{message.routing_key} is not for the MES")


def claim(connection: Connection, order_id: UUID, operator: str) -> None:
    """Give an approved order to *operator*; claiming it twice changes nothing."""
    order = _lock_or_404(connection, order_id)
    if order["operator"] == operator and order["state"] == State.CLAIMED:
        return
    _refuse_if_others(order, State.CLAIMED, operator)
    move(connection, order_id, State(order["state"]), State.CLAIMED, operator=operator, tell=True)


def set_state(connection: Connection, order_id: UUID, state: State, operator: str) -> None:
    """Set the state of an order that *operator* has claimed."""
    order = _lock_or_404(connection, order_id)
    source = State(order["state"])
    _refuse_if_others(order, state, operator)
    check(source, state, BY_OPERATOR)
    move(connection, order_id, source, state, tell=True)


def find(connection: Connection, order_id: UUID) -> dict[str, Any]:
    """Return one order."""
    row = connection.execute(
        "SELECT to_jsonb(o) - 'model_key' AS found FROM manufacturing_order o WHERE order_id = %s",
        (order_id,),
    ).fetchone()
    if row is None:
        raise not_found("order", order_id, "GET /operator/orders lists all.")
    found: dict[str, Any] = row["found"]
    return found


def page_of(connection: Connection, state: State | None, page: Page) -> dict[str, Any]:
    """Return some orders, the oldest first: they have waited longest."""
    return fetch_page(connection, LISTED, OLDEST_FIRST, {"state": state}, page)


def lock(connection: Connection, order_id: UUID) -> dict[str, Any] | None:
    """Return the order and keep others from changing it until the commit."""
    return connection.execute(
        "SELECT order_id, state, operator, placed_at FROM manufacturing_order"
        " WHERE order_id = %s FOR UPDATE",
        (order_id,),
    ).fetchone()


def move(  # noqa: PLR0913 - all of them are the change
    connection: Connection,
    order_id: UUID,
    source: State,
    target: State,
    *,
    operator: str | None = None,
    tell: bool = False,
) -> None:
    """
    Change the state of a locked order; with *tell* the other services learn of it.

    Raises:
        IllegalTransition: *target* may not follow *source*.
    """
    check(source, target)
    connection.execute(
        "UPDATE manufacturing_order SET state = %s, operator = coalesce(%s, operator),"
        " updated_at = now() WHERE order_id = %s",
        (target, operator, order_id),
    )
    if tell:
        put(
            connection,
            OrderStateChanged(
                order_id=order_id,
                from_state=as_others_see_it(source),
                to_state=as_others_see_it(target),
            ),
        )
    TRANSITIONS.add(1, {"from": source, "to": target})


def add_price_task(connection: Connection, order_id: UUID) -> UUID:
    """Ask for a price; return the task, which may be one that is under way already."""
    task = connection.execute(
        "INSERT INTO price_task (order_id, headers) VALUES (%s, %s)"
        " ON CONFLICT (order_id) WHERE state IN ('queued', 'running')"
        " DO UPDATE SET order_id = excluded.order_id RETURNING task_id",
        (order_id, Jsonb(capture_context())),
    ).fetchone()
    assert task is not None  # noqa: S101 - an upsert returns its row
    task_id: UUID = task["task_id"]
    return task_id


def drop_price_task(connection: Connection, order_id: UUID) -> None:
    """Make an open calculation of the order end without effect."""
    connection.execute(
        "UPDATE price_task SET state = 'dropped', finished_at = now()"
        " WHERE order_id = %s AND state IN ('queued', 'running')",
        (order_id,),
    )


def _receive(connection: Connection, message: OrderPlaced) -> None:
    connection.execute(
        "INSERT INTO manufacturing_order"
        " (order_id, model_key, model_format, material, quantity, state, placed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            message.order_id,
            message.model_key,
            message.model_format,
            message.material,
            message.quantity,
            State.RECEIVED,
            message.occurred_at,
        ),
    )
    add_price_task(connection, message.order_id)


def _approve(connection: Connection, message: OrderApproved, state: State) -> None:
    """The price is what the customer saw, even if a newer one was calculated meanwhile."""
    drop_price_task(connection, message.order_id)
    connection.execute(
        "UPDATE manufacturing_order SET price_cents = %s, currency = %s WHERE order_id = %s",
        (message.price_cents, message.currency, message.order_id),
    )
    move(connection, message.order_id, state, State.APPROVED)


def _lock_or_404(connection: Connection, order_id: UUID) -> dict[str, Any]:
    order = lock(connection, order_id)
    if order is None:
        raise not_found("order", order_id, "GET /operator/orders lists all.")
    return order


def _refuse_if_others(order: dict[str, Any], target: State, operator: str) -> None:
    if order["operator"] not in {None, operator}:
        raise ClaimedByAnother(
            State(order["state"]),
            target,
            f"order={str(order['order_id'])!r}: {order['operator']!r} has claimed it, and you are "
            f"{operator!r}. Take another order, or ask them.",
        )
