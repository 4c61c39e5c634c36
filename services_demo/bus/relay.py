# SPDX-License-Identifier: Apache-2.0
"""The relay: publishes what the outbox holds, and forgets nothing that is not confirmed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pika

from otel_setup import resume_context, untraced
from services_demo.bus.connection import BrokerGone, Outage, connect
from services_demo.bus.topology import ORDERS, declare
from services_demo.bus.wakeup import Wakeup
from services_demo.database import Unavailable

if TYPE_CHECKING:
    from threading import Event

    from pika.adapters.blocking_connection import BlockingChannel
    from psycopg.rows import DictRow

    from services_demo.database import Pool

_BATCH = 100
# Notifications wake the relay; this is for the one that got lost.
_LOOK_ANYWAY_SECONDS = 5.0


class Relay:
    """Publishes the outbox of one service in order; one process of each service runs it."""

    def __init__(self, service: str, broker_url: str, database_url: str, pool: Pool) -> None:
        self.name = f"{service} relay"
        self._broker_url = broker_url
        self._database_url = database_url
        self._pool = pool

    def run(self, stop: Event) -> None:
        """Publish until *stop*; without broker or database the rows stay and wait."""
        outage = Outage(f"{self.name}: broker or database")
        while not stop.is_set():
            try:
                self._publish_while_connected(stop, outage)
            except (*BrokerGone, *Unavailable) as error:
                stop.wait(outage.failed(error))

    def _publish_while_connected(self, stop: Event, outage: Outage) -> None:
        connection = connect(self._broker_url, self.name)
        with connection, Wakeup(self._database_url, "outbox") as wakeup:
            channel = connection.channel()
            declare(channel)
            channel.confirm_delivery()
            look_at = 0.0
            while not stop.is_set():
                if time.monotonic() >= look_at:
                    more = self._publish_batch(channel, stop)
                    outage.over()
                    look_at = 0.0 if more else time.monotonic() + _LOOK_ANYWAY_SECONDS
                connection.process_data_events(0)  # heartbeats, and news that the broker is gone
                if look_at and wakeup.wait(0.5):
                    look_at = 0.0

    def _publish_batch(self, channel: BlockingChannel, stop: Event) -> bool:
        """Publish the oldest rows; return whether there may be more."""
        confirmed: list[int] = []
        with self._pool.connection() as database:
            with untraced():
                rows = database.execute(
                    "SELECT id, message_id, routing_key, body, headers, created_at FROM outbox"
                    " WHERE sent_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
                    (_BATCH,),
                ).fetchall()
            try:
                for row in rows:
                    if stop.is_set():
                        break
                    _publish(channel, row)
                    confirmed.append(row["id"])
            finally:
                # Also when a later row failed: what is confirmed must not be sent again.
                if confirmed:
                    with untraced():  # one statement for the orders of many traces
                        database.execute(
                            "UPDATE outbox SET sent_at = clock_timestamp() WHERE id = ANY(%s)",
                            (confirmed,),
                        )
                    database.commit()
        return len(rows) == _BATCH


def _publish(channel: BlockingChannel, row: DictRow) -> None:
    """
    Return when the broker has stored the message in every queue.

    Without `mandatory` the broker also confirms what no queue takes.
    """
    with resume_context(row["headers"]):
        channel.basic_publish(
            ORDERS,
            row["routing_key"],
            row["body"].encode(),
            properties=pika.BasicProperties(
                content_type="application/json",
                delivery_mode=2,
                message_id=str(row["message_id"]),
                type=row["routing_key"],
                timestamp=int(row["created_at"].timestamp()),
            ),
            mandatory=True,
        )
