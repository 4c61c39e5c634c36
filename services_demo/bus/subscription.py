# SPDX-License-Identifier: Apache-2.0
"""What every reader of a queue needs: to come back to it, and patience with its database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import pika
from pika.exceptions import ConsumerCancelled
from pika.spec import Basic

from services_demo.bus.connection import BrokerGone, Outage, connect
from services_demo.bus.topology import declare

if TYPE_CHECKING:
    from threading import Event

    from pika.adapters.blocking_connection import BlockingChannel

R = TypeVar("R")

#: Gets channel, delivery, properties and body; settles the message, or leaves it in hand.
OnMessage: TypeAlias = Callable[
    ["BlockingChannel", Basic.Deliver, pika.BasicProperties, bytes], None
]


class Subscription:
    """Gives each message of *queue* to *on_message*; at most *prefetch* are in hand."""

    def __init__(
        self, queue: str, name: str, broker_url: str, on_message: OnMessage, *, prefetch: int
    ) -> None:
        self._queue = queue
        self._name = name
        self._broker_url = broker_url
        self._on_message = on_message
        self._prefetch = prefetch

    def run(self, stop: Event) -> None:
        """Consume until *stop*; the message in hand is finished first."""
        outage = Outage(f"{self._name}: broker")
        while not stop.is_set():
            try:
                self._consume_while_connected(stop, outage)
            except BrokerGone as error:
                stop.wait(outage.failed(error))

    def _consume_while_connected(self, stop: Event, outage: Outage) -> None:
        with connect(self._broker_url, self._name) as connection:
            channel = connection.channel()
            declare(channel)
            channel.basic_qos(prefetch_count=self._prefetch)
            channel.basic_consume(self._queue, self._on_message)
            outage.over()
            while not stop.is_set():
                connection.process_data_events(time_limit=0.2)
                if not (channel.is_open and channel.consumer_tags):
                    # The queue or channel is gone: the process would be alive but deaf.
                    raise ConsumerCancelled(f"the broker cancelled the consumer of {self._queue}")


def patiently(
    work: Callable[[], R],
    channel: BlockingChannel,
    stop: Event,
    *,
    what: str,
    until: tuple[type[Exception], ...],
) -> R | None:
    """
    Return what *work* returns, trying again while it raises one of *until*; None once *stop* is.

    The message stays in hand meanwhile: sent back it would use up the times that it may come.
    """
    outage = Outage(what)
    while True:
        try:
            result = work()
        except until as error:
            pause = outage.failed(error)
            if stop.is_set():
                return None
            channel.connection.sleep(pause)  # keeps the heartbeat alive
        else:
            outage.over()
            return result
