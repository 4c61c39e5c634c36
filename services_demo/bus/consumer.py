# SPDX-License-Identifier: Apache-2.0
"""The consumer: gives every message of a queue to a handler, with effect exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry import trace

from services_demo import messages
from services_demo.bus.connection import BrokerGone
from services_demo.bus.failures import NotYet, Refuse
from services_demo.bus.subscription import Subscription, patiently
from services_demo.bus.telemetry import event_failed, event_handled, expect_events
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
        Subscription(
            self._queue, self.name, self._broker_url, self._on_message, prefetch=_PREFETCH
        ).run(stop)

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

        def work() -> bool:
            with self._pool.connection() as database:
                is_new = _is_new(database, message)
                if is_new:
                    self._handle(database, message)
                return is_new

        is_new = patiently(
            work, channel, self._stop, what=f"{self.name}: database", until=Unavailable
        )
        if is_new:
            event_handled(self._queue, message)
        return is_new is not None

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
