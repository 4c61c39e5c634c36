# SPDX-License-Identifier: Apache-2.0
"""
A publisher and a consumer as services have them: they come back, and lose nothing.

What was not confirmed is published again, what was not acknowledged is delivered again: so
that each message has its effect at least once, whatever happens to the broker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError, ConsumerCancelled

GONE = (AMQPError, OSError)
_PAUSE_SECONDS = 0.1


def connect(url: str) -> BlockingConnection:
    """Connect to *url*, and soon give up when nobody answers."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = 2
    parameters.stack_timeout = 3
    return BlockingConnection(parameters)


class Worker:
    """A thread that does its *work* on a connection, anew after each loss. A context manager."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        #: What ended its connections.
        self.losses: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """Finish what is in hand, and end."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), f"{type(self).__name__} does not end"

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(self._url) as connection:
                    self._work(connection.channel())
            except GONE as error:
                self.losses.append(type(error).__name__)
                self._stop.wait(_PAUSE_SECONDS)

    def _work(self, channel: BlockingChannel) -> None:
        raise NotImplementedError


class Publisher(Worker):
    """Publishes *ids* to *queue* in confirm mode, one after another, until all are confirmed."""

    def __init__(
        self, url: str, queue: str, ids: Iterable[int], pause: float = 0.0, body: bytes = b""
    ) -> None:
        super().__init__(url)
        self._body = body
        self._queue = queue
        self._left = iter(ids)
        self._pause = pause
        self._current: int | None = next(self._left, None)
        #: In their order.
        self.confirmed: list[int] = []
        #: Every try counts.
        self.tries = 0

    @property
    def is_done(self) -> bool:
        """Whether all are confirmed."""
        return self._current is None

    def _work(self, channel: BlockingChannel) -> None:
        channel.confirm_delivery()
        while self._current is not None and not self._stop.is_set():
            self.tries += 1
            channel.basic_publish(
                "",
                self._queue,
                self._body,
                pika.BasicProperties(message_id=str(self._current), delivery_mode=2),
                mandatory=True,
            )
            self.confirmed.append(self._current)
            self._current = next(self._left, None)
            if self._pause:
                channel.connection.sleep(self._pause)
        while not self._stop.is_set():
            channel.connection.process_data_events(0.05)


class Consumer(Worker):
    """Acknowledges what it gets from *queue* and notes it; *handle* is called before."""

    def __init__(
        self,
        url: str,
        queue: str,
        handle: Callable[[BlockingChannel], None] | None = None,
        prefetch: int = 10,
    ) -> None:
        super().__init__(url)
        self._queue = queue
        self._handle = handle
        self._prefetch = prefetch
        #: Every delivery counts.
        self.handled: list[int] = []
        self.consuming = threading.Event()

    def _work(self, channel: BlockingChannel) -> None:
        channel.queue_declare(self._queue, durable=True)
        channel.basic_qos(prefetch_count=self._prefetch)
        channel.basic_consume(self._queue, self._on_message)
        self.consuming.set()
        try:
            while not self._stop.is_set():
                channel.connection.process_data_events(0.05)
                if not (channel.is_open and channel.consumer_tags):
                    raise ConsumerCancelled(f"no consumer of {self._queue} any more")
        finally:
            self.consuming.clear()

    def _on_message(
        self,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        if self._handle is not None:
            self._handle(channel)
        self.handled.append(int(properties.message_id or 0))
        channel.basic_ack(method.delivery_tag)


def main(url: str, queue: str, seconds: float) -> None:
    """Consume and say so; each message takes *seconds*."""
    consumer = Consumer(url, queue, lambda _channel: time.sleep(seconds))
    with consumer:
        while True:
            consumer.consuming.wait()
            print(len(consumer.handled), flush=True)  # noqa: T201 - the test reads it
            time.sleep(0.05)


if __name__ == "__main__":
    import sys

    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
