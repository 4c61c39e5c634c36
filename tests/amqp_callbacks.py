# SPDX-License-Identifier: Apache-2.0
"""A program on pika's connections with callbacks: it publishes, consumes and ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

#: Gets what pika gives to a consumer: channel, method, properties, body.
Handler = Callable[[Any, Any, Any, bytes], None]

ADAPTERS = (pika.SelectConnection, AsyncioConnection)


class Flow:
    """Publishes *bodies* to *queue* over one connection and gives them to *handle*."""

    def __init__(
        self, adapter: type[Any], url: str, queue: str, bodies: Sequence[bytes], handle: Handler
    ) -> None:
        self._queue, self._bodies, self._handle = queue, bodies, handle
        self._left = len(bodies)
        self._connection = adapter(
            pika.URLParameters(url),
            on_open_callback=self._opened,
            on_open_error_callback=self._closed,
            on_close_callback=self._closed,
        )
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run until every message was handled; raise what a handler or the broker raised."""
        loop = self._connection.ioloop
        loop.call_later(20, self._give_up)
        (loop.start if hasattr(loop, "start") else loop.run_forever)()
        if hasattr(loop, "close"):
            loop.close()
        if self._error is not None:
            raise self._error

    def _opened(self, connection: Any) -> None:
        connection.channel(on_open_callback=self._ready)

    def _ready(self, channel: Any) -> None:
        channel.basic_consume(self._queue, self._on_message)
        for body in self._bodies:
            channel.basic_publish("", self._queue, body)

    def _on_message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        try:
            self._handle(channel, method, properties, body)
            channel.basic_ack(method.delivery_tag)
        except Exception as error:  # noqa: BLE001 - raised where the program was started
            self._error = error
        self._left -= 1
        if not self._left or self._error:
            self._connection.close()

    def _give_up(self) -> None:
        self._error = TimeoutError(f"{self._left} of {len(self._bodies)} messages did not come")
        self._connection.close()

    def _closed(self, _connection: Any, reason: BaseException) -> None:
        if not isinstance(reason, pika.exceptions.ConnectionClosedByClient):
            self._error = self._error or reason
        self._connection.ioloop.stop()
