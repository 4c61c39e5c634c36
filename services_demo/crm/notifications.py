# SPDX-License-Identifier: Apache-2.0
"""What customers are told, and when. The row is the e-mail that would be sent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from otel_setup import instrument
from services_demo.bus import seconds_since
from services_demo.catalogue import crm as catalogue
from services_demo.database import Connection
from services_demo.messages import OrderState

SENT = instrument(catalogue.NOTIFICATIONS_SENT)
DELAY = instrument(catalogue.NOTIFICATION_DELAY)


@dataclass(frozen=True, slots=True)
class Template:
    """Subject and text, with the columns of the order and its customer in braces."""

    subject: str
    text: str


TEMPLATES = {
    OrderState.PRICED: Template(
        "Your order has a price: {price}",
        "{quantity} of {material} come to {price}. Approve it in the Shop and we start.",
    ),
    OrderState.PRICING_FAILED: Template(
        "We cannot price your order",
        "The reason: {failure} Change the model in the Shop, or ask us.",
    ),
    OrderState.FINISHED: Template(
        "Your order is finished",
        "{quantity} of {material} are made and will be on their way soon.",
    ),
    OrderState.SHIPPED: Template("Your order is on its way", "We have shipped it. Enjoy it!"),
    OrderState.CANCELLED: Template(
        "Your order is cancelled", "As you wished. You pay nothing for it."
    ),
    OrderState.REJECTED: Template(
        "We cannot make your order",
        "Our workshop had to give it back. We will call you; you pay nothing for it.",
    ),
}


def render(template: Template, order: dict[str, Any]) -> tuple[str, str]:
    """Return subject and text for *order*, with its customer's name."""
    cents = order["price_cents"]
    facts = {**order, "price": "" if cents is None else f"{cents / 100:,.2f} {order['currency']}"}
    text = f"Dear {order['name']},\n\n{template.text.format(**facts)}\n\nOrder {order['order_id']}"
    return template.subject.format(**facts), text


def expect_notifications() -> None:
    """Have every kind counted from 0 on: who scrapes does not see that a first 1 is a rise."""
    for kind in TEMPLATES:
        SENT.add(0, {"kind": kind})


def notify(
    connection: Connection, order: dict[str, Any], kind: OrderState, happened_at: datetime
) -> None:
    """Tell the customer of *kind*, which *happened_at* then, unless that was done or is nothing."""
    template = TEMPLATES.get(kind)
    if template is None:
        return
    subject, text = render(template, order)
    written = connection.execute(
        "INSERT INTO notification (order_id, kind, recipient, subject, body)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (order_id, kind) DO NOTHING",
        (order["order_id"], kind, order["email"], subject, text),
    ).rowcount
    if written:
        SENT.add(1, {"kind": kind})
        DELAY.record(seconds_since(happened_at), {"kind": kind})
