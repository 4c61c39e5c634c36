# SPDX-License-Identifier: Apache-2.0
"""The outbox: events written in the transaction of their cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from otel_setup import capture_context

if TYPE_CHECKING:
    from services_demo.database import Connection
    from services_demo.messages import Message


def put(connection: Connection, message: Message) -> None:
    """Have *message* sent if, and only if, the current transaction commits."""
    connection.execute(
        "INSERT INTO outbox (message_id, routing_key, body, headers) VALUES (%s, %s, %s, %s)",
        (message.message_id, message.routing_key, message.to_json(), Jsonb(capture_context())),
    )
