# SPDX-License-Identifier: Apache-2.0
"""
Exchanges and queues, declared by everybody who needs them.

Declaring is idempotent, so no part has to start first, and a queue that somebody deleted
comes back at the next connection. Works with RabbitMQ 3.10 and 4.x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel

ORDERS = "orders"
DEAD = "orders.dead"

SHOP_QUEUE = "shop.orders"
MES_QUEUE = "mes.orders"
CRM_QUEUE = "crm.orders"

BINDINGS = {
    SHOP_QUEUE: ("order.priced", "order.pricing_failed", "order.state_changed"),
    MES_QUEUE: ("order.placed", "order.approved", "order.cancelled"),
    CRM_QUEUE: ("order.#",),
}

# At-least-once dead-lettering moves a message only after the other queue has confirmed it;
# it exists only together with reject-publish.
_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 5,
    "x-dead-letter-exchange": DEAD,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


def declare(channel: BlockingChannel) -> None:
    """Make sure that every exchange, queue and binding exists."""
    channel.exchange_declare(ORDERS, exchange_type="topic", durable=True)
    channel.exchange_declare(DEAD, exchange_type="topic", durable=True)
    channel.queue_declare(DEAD, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(DEAD, DEAD, "#")
    for queue, keys in BINDINGS.items():
        channel.queue_declare(queue, durable=True, arguments=_ARGUMENTS)
        for key in keys:
            channel.queue_bind(queue, ORDERS, key)
