# SPDX-License-Identifier: Apache-2.0
"""Builds the CRM's customers and orders from the events of the Shop and the MES."""

from typing import Any
from uuid import UUID

from services_demo.bus import NotYet
from services_demo.crm.notifications import notify
from services_demo.database import Connection
from services_demo.messages import (
    Message,
    OrderApproved,
    OrderCancelled,
    OrderPlaced,
    OrderPriced,
    OrderPricingFailed,
    OrderState,
    OrderStateChanged,
    advances,
)

_UNPRICED = {OrderState.PLACED, OrderState.PRICED, OrderState.PRICING_FAILED}


def apply_event(connection: Connection, message: Message) -> None:
    """Take over what happened to an order and tell its customer, each thing once."""
    if isinstance(message, OrderPlaced):
        _add(connection, message)
        return
    order = _lock(connection, message.order_id)
    new = state_after(message)
    if isinstance(message, OrderPriced | OrderPricingFailed):
        if not _is_news(order, message):
            return
        _set_price(connection, message, new)
        order = _lock(connection, message.order_id)
    elif advances(OrderState(order["state"]), new):
        connection.execute(
            "UPDATE customer_order SET state = %s, updated_at = now() WHERE order_id = %s",
            (new, message.order_id),
        )
    # Also when the event came late: that an order was finished is told in any case.
    notify(connection, order, new, message.occurred_at)


def state_after(message: Message) -> OrderState:
    """Return the state that *message* reports."""
    if isinstance(message, OrderStateChanged):
        return message.to_state
    return {
        OrderPlaced: OrderState.PLACED,
        OrderPriced: OrderState.PRICED,
        OrderPricingFailed: OrderState.PRICING_FAILED,
        OrderApproved: OrderState.APPROVED,
        OrderCancelled: OrderState.CANCELLED,
    }[type(message)]


def _add(connection: Connection, message: OrderPlaced) -> None:
    connection.execute(
        "INSERT INTO customer (customer_id, email, name, first_order_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email, name = excluded.name",
        (
            message.customer_id,
            message.customer_email,
            message.customer_name,
            message.occurred_at,
        ),
    )
    connection.execute(
        "INSERT INTO customer_order (order_id, customer_id, material, quantity, state, placed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (
            message.order_id,
            message.customer_id,
            message.material,
            message.quantity,
            OrderState.PLACED,
            message.occurred_at,
        ),
    )


def _lock(connection: Connection, order_id: UUID) -> dict[str, Any]:
    order = connection.execute(
        "SELECT o.*, c.email, c.name FROM customer_order o JOIN customer c USING (customer_id)"
        " WHERE order_id = %s FOR UPDATE OF o",
        (order_id,),
    ).fetchone()
    if order is None:
        raise NotYet(f"order {order_id} is not known yet")
    return order


def _is_news(order: dict[str, Any], message: Message) -> bool:
    """Tell whether a price still matters: not after the approval, not after a newer one."""
    if OrderState(order["state"]) not in _UNPRICED:
        return False
    return order["priced_at"] is None or order["priced_at"] < message.occurred_at


def _set_price(
    connection: Connection, message: OrderPriced | OrderPricingFailed, state: OrderState
) -> None:
    if isinstance(message, OrderPriced):
        price_cents, currency, failure = message.price_cents, message.currency, None
    else:
        price_cents, currency, failure = None, None, message.reason
    connection.execute(
        "UPDATE customer_order SET state = %s, price_cents = %s, currency = %s, failure = %s,"
        " priced_at = %s, updated_at = now() WHERE order_id = %s",
        (state, price_cents, currency, failure, message.occurred_at, message.order_id),
    )
