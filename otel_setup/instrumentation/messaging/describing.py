# SPDX-License-Identifier: Apache-2.0
"""What the spans of a message say of it: AMQP calls it the same in every library."""

from __future__ import annotations

from typing import Any

from otel_setup.instrumentation.messaging.consuming import Delivery
from otel_setup.instrumentation.messaging.naming import Naming


def attributes(routing_key: str, properties: Any, body: Any) -> dict[str, Any]:
    """Return what all spans of a message say of it; what it lacks is left out."""
    found: dict[str, Any] = {"messaging.message.body.size": len(body or b"")}
    if routing_key:
        found["messaging.rabbitmq.destination.routing_key"] = routing_key
    for name, key in (
        ("message_id", "messaging.message.id"),
        ("correlation_id", "messaging.message.conversation_id"),
    ):
        value = getattr(properties, name, None)
        if isinstance(value, str) and value:
            found[key] = value
    return found


def delivery(  # noqa: PLR0913 - all of it is in the message
    naming: Naming,
    method: Any,
    properties: Any,
    body: Any,
    *,
    operation: str,
    queue: str,
    host: str,
) -> Delivery:
    """Return the delivery that *method*, a Basic.Deliver or Basic.GetOk, brought from *queue*."""
    routing_key = method.routing_key or ""
    return Delivery(
        naming.received(method.exchange or "", routing_key, queue),
        operation=operation,
        queue=naming.queue(queue),
        host=host,
        redelivered=bool(method.redelivered),
        attributes={
            **attributes(routing_key, properties, body),
            "messaging.rabbitmq.message.delivery_tag": method.delivery_tag,
        },
        headers=getattr(properties, "headers", None),
    )
