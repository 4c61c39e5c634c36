# SPDX-License-Identifier: Apache-2.0
"""Orders as the customer sees them: placing, approving, cancelling, and news from the MES."""

from typing import Annotated, Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from services_demo.bus import Refuse, put
from services_demo.database import Connection
from services_demo.messages import (
    Material,
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
from services_demo.shop import library
from services_demo.web.errors import ApiError, not_found
from services_demo.web.pages import Page, fetch_page

_UNPRICED = [OrderState.PLACED, OrderState.PRICED, OrderState.PRICING_FAILED]
_CANCELLABLE = {*_UNPRICED, OrderState.APPROVED}


class NewOrder(BaseModel):
    """What a customer orders."""

    model_config = ConfigDict(extra="forbid")

    model_id: UUID
    material: Material
    quantity: Annotated[int, Field(ge=1, le=1000, strict=True)]


def place(connection: Connection, customer_id: UUID, order: NewOrder) -> UUID:
    """Write the order and its event; both exist after the commit, or neither."""
    model = library.find(connection, customer_id, order.model_id)
    order_id = uuid4()
    connection.execute(
        "INSERT INTO customer_order (order_id, customer_id, model_id, material, quantity, state)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (order_id, customer_id, order.model_id, order.material, order.quantity, OrderState.PLACED),
    )
    customer = connection.execute(
        "SELECT email, name FROM customer WHERE customer_id = %s", (customer_id,)
    ).fetchone()
    assert customer is not None  # noqa: S101 - a foreign key holds it
    put(
        connection,
        OrderPlaced(
            order_id=order_id,
            customer_id=customer_id,
            customer_email=customer["email"],
            customer_name=customer["name"],
            model_key=model.object_key,
            model_format=model.format,
            material=order.material,
            quantity=order.quantity,
        ),
    )
    return order_id


def approve(connection: Connection, customer_id: UUID, order_id: UUID) -> None:
    """Accept the price, so that the order gets made."""
    order = _lock(connection, customer_id, order_id)
    if order["state"] != OrderState.PRICED:
        raise _conflict(order, "approved", "priced")
    _set_state(connection, order_id, OrderState.APPROVED)
    put(connection, OrderApproved(order_id=order_id, price_cents=order["price_cents"]))


def cancel(connection: Connection, customer_id: UUID, order_id: UUID) -> None:
    """Give up the order, as long as nobody makes it."""
    order = _lock(connection, customer_id, order_id)
    if order["state"] not in _CANCELLABLE:
        raise _conflict(order, "cancelled", ", ".join(sorted(_CANCELLABLE)))
    _set_state(connection, order_id, OrderState.CANCELLED)
    put(connection, OrderCancelled(order_id=order_id))


def find(connection: Connection, customer_id: UUID, order_id: UUID) -> dict[str, Any]:
    """Return the customer's order."""
    order = connection.execute(
        "SELECT order_id, model_id, material, quantity, state, price_cents, currency, failure,"
        " created_at, updated_at FROM customer_order WHERE order_id = %s AND customer_id = %s",
        (order_id, customer_id),
    ).fetchone()
    if order is None:
        raise not_found("order", order_id, "GET /orders lists yours.")
    return order


def page_of(connection: Connection, customer_id: UUID, page: Page) -> dict[str, Any]:
    """Return some of the customer's orders, newest first."""
    return fetch_page(
        connection,
        "SELECT order_id, model_id, material, quantity, state, price_cents, currency, failure,"
        " created_at, updated_at FROM customer_order WHERE customer_id = %(customer_id)s",
        "created_at DESC, order_id",
        {"customer_id": customer_id},
        page,
    )


def apply_news(connection: Connection, message: Message) -> None:
    """Take over what the MES says about an order."""
    order = connection.execute(
        "SELECT state FROM customer_order WHERE order_id = %s FOR UPDATE", (message.order_id,)
    ).fetchone()
    if order is None:
        raise Refuse(f"order {message.order_id} was never placed here")
    if isinstance(message, OrderPriced):
        _set_price(connection, message, OrderState.PRICED, message.price_cents, None)
    elif isinstance(message, OrderPricingFailed):
        _set_price(connection, message, OrderState.PRICING_FAILED, None, message.reason)
    elif isinstance(message, OrderStateChanged):
        if advances(OrderState(order["state"]), message.to_state):
            _set_state(connection, message.order_id, message.to_state)
    else:
        raise Refuse(f"{message.routing_key} is not for the Shop")


def _set_price(
    connection: Connection,
    message: Message,
    state: OrderState,
    price_cents: int | None,
    failure: str | None,
) -> None:
    # An order that was approved or cancelled meanwhile keeps what the customer agreed to.
    connection.execute(
        "UPDATE customer_order SET state = %(state)s, price_cents = %(price)s,"
        " currency = CASE WHEN %(price)s::bigint IS NULL THEN NULL ELSE 'EUR' END,"
        " failure = %(failure)s, priced_at = %(at)s, updated_at = now()"
        " WHERE order_id = %(order_id)s AND state = ANY(%(unpriced)s)"
        " AND (priced_at IS NULL OR priced_at < %(at)s)",
        {
            "state": state,
            "price": price_cents,
            "failure": failure,
            "at": message.occurred_at,
            "order_id": message.order_id,
            "unpriced": [str(known) for known in _UNPRICED],
        },
    )


def _lock(connection: Connection, customer_id: UUID, order_id: UUID) -> dict[str, Any]:
    order = connection.execute(
        "SELECT order_id, state, price_cents FROM customer_order"
        " WHERE order_id = %s AND customer_id = %s FOR UPDATE",
        (order_id, customer_id),
    ).fetchone()
    if order is None:
        raise not_found("order", order_id, "GET /orders lists yours.")
    return order


def _set_state(connection: Connection, order_id: UUID, state: OrderState) -> None:
    connection.execute(
        "UPDATE customer_order SET state = %s, updated_at = now() WHERE order_id = %s",
        (state, order_id),
    )


def _conflict(order: dict[str, Any], wish: str, allowed: str) -> ApiError:
    return ApiError(
        409,
        "wrong_state",
        f"order={str(order['order_id'])!r}: it is {order['state']!r} and cannot be {wish}: "
        f"expected state {allowed}. GET /orders/{order['order_id']} shows how far it is.",
    )
