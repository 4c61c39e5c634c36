# SPDX-License-Identifier: Apache-2.0
"""The consumer: gives every message of a queue to a handler, with effect exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import trace
from pika.exceptions import ConsumerCancelled

from services_demo import messages
from services_demo.bus.connection import BrokerGone, Outage, connect
from services_demo.bus.failures import NotYet, Refuse
from services_demo.bus.telemetry import event_failed, event_handled, expect_events
from services_demo.bus.topology import declare
from services_demo.database import Connection, Unavailable

if TYPE_CHECKING:
    from threading import Event

    import pika
    from pika.adapters.blocking_connection import BlockingChannel
    from pika.spec import Basic

    from services_demo.database import Pool

log = logging.getLogger(__name__)

#: Gets an open transaction that also notes the message as done, and the message.
Handler: TypeAlias = Callable[[Connection, messages.Message], None]

_PREFETCH = 10
_PAUSE_SECONDS = 1.0


class Consumer:
    """
    Consumes *queue* and gives every message to *handle*, in one transaction with the inbox.

    What is refused, or fails five times, goes to the dead-letter exchange. While the
    database is away the message stays in hand: sent back it would use up its five times.
    """

    def __init__(self, queue: str, broker_url: str, pool: Pool, handle: Handler) -> None:
        self.name = f"{queue} consumer"
        self._queue = queue
        self._broker_url = broker_url
        self._pool = pool
        self._handle = handle

    def run(self, stop: Event) -> None:
        """Consume until *stop*; the message in hand is finished first."""
        self._stop = stop
        expect_events(self._queue)
        outage = Outage(f"{self.name}: broker")
        while not stop.is_set():
            try:
                self._consume_while_connected(outage)
            except BrokerGone as error:
                stop.wait(outage.failed(error))

    def _consume_while_connected(self, outage: Outage) -> None:
        with connect(self._broker_url, self.name) as connection:
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=_PREFETCH)
            channel.basic_consume(self._queue, self._on_message)
            outage.over()
            while not self._stop.is_set():
                connection.process_data_events(time_limit=0.2)
                if not (channel.is_open and channel.consumer_tags):
                    # The queue or channel is gone: the process would be alive but deaf.
                    raise ConsumerCancelled(f"the broker cancelled the consumer of {self._queue}")

    def _on_message(
        self,
        channel: BlockingChannel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        if self._stop.is_set():
            return  # not acknowledged: the broker gives it to somebody else
        tag = method.delivery_tag
        # The routing key of a message that somebody moved back from another queue is lost.
        event = properties.type or method.routing_key
        try:
            message = _parse(event, body)
            done = self._apply(channel, message)
        except Refuse as error:
            event_failed(self._queue, event, error)
            self._log_failure("refused", properties, error)
            channel.basic_reject(tag, requeue=False)
        except BrokerGone:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the message must be settled
            event_failed(self._queue, event, error)
            self._log_failure("failed, is tried again", properties, error)
            channel.connection.sleep(_PAUSE_SECONDS)
            channel.basic_nack(tag, requeue=True)
        else:
            if done:
                channel.basic_ack(tag)

    def _apply(self, channel: BlockingChannel, message: messages.Message) -> bool:
        """Handle *message* unless it was before; return False if told to stop meanwhile."""
        outage = Outage(f"{self.name}: database")
        while True:
            try:
                with self._pool.connection() as database:
                    is_new = _is_new(database, message)
                    if is_new:
                        self._handle(database, message)
            except Unavailable as error:
                pause = outage.failed(error)
                if self._stop.is_set():
                    return False
                channel.connection.sleep(pause)  # keeps the heartbeat alive
            else:
                outage.over()
                if is_new:
                    event_handled(self._queue, message)
                return True

    def _log_failure(self, what: str, properties: pika.BasicProperties, error: Exception) -> None:
        span = trace.get_current_span()
        span.record_exception(error)
        span.set_status(trace.StatusCode.ERROR, type(error).__name__)
        expected = isinstance(error, Refuse | NotYet)
        log.error(
            "message %s from %s %s: %s",
            properties.message_id,
            self._queue,
            what,
            error if expected else type(error).__name__,
            exc_info=None if expected else error,
        )


def _parse(event: str, body: bytes) -> messages.Message:
    try:
        return messages.parse(event, body)
    except ValueError as error:
        raise Refuse(str(error)) from None


def _is_new(database: Connection, message: messages.Message) -> bool:
    return (
        database.execute(
            "INSERT INTO inbox (message_id) VALUES (%s) ON CONFLICT DO NOTHING RETURNING 1 AS new",
            (message.message_id,),
        ).fetchone()
        is not None
    )
