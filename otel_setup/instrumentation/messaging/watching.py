# SPDX-License-Identifier: Apache-2.0
"""What is known of the connections of one library, and what is done alike with all libraries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_setup.instrumentation.messaging import describing, publishing, state
from otel_setup.instrumentation.messaging.beside import Beside
from otel_setup.instrumentation.messaging.naming import Naming


class Watch(ABC):
    """Watches connections and channels of one library, which say themselves what they are."""

    def __init__(self, naming: Naming) -> None:
        self.naming = naming
        self.connections: Beside[state.Connection] = Beside(self._connection)
        self.channels: Beside[state.Channel] = Beside(self._channel)

    @abstractmethod
    def _connection(self, connection: Any) -> state.Connection:
        """Begin to know *connection*."""

    def _channel(self, channel: Any) -> state.Channel:
        return state.Channel(self.connections.of(channel.connection))

    def forget(self) -> None:
        """Forget all connections and channels."""
        self.channels.clear()
        for connection in self.connections.clear():
            connection.unseen()

    def publication(
        self, channel: Any, exchange: str, routing_key: str, body: Any, given: Any
    ) -> publishing.Publication | None:
        """Return what is to be published, with its headers; None when nobody wants to know."""
        earlier = getattr(given, "headers", None)
        if not is_instrumentation_enabled() or not (earlier is None or isinstance(earlier, dict)):
            return None
        return publishing.Publication(
            self.naming.sent(exchange, routing_key),
            host=self.channels.of(channel).connection.host,
            attributes=describing.attributes(routing_key, given, body),
            earlier=earlier,
        )

    def consumes(self, channel: Any, name: str, queue: str, *, auto_ack: bool) -> None:
        """Note that the consumer *name* of *queue* begins."""
        known = self.channels.of(channel)
        label = self.naming.queue(queue)
        known.consuming(
            state.Consumer(name, queue, label, auto_ack=auto_ack, prefetch=known.prefetch)
        )

    def settled(
        self, channel: Any, operation: str, asked: tuple[int, bool, bool], seconds: float
    ) -> None:
        """Note an ack, nack or reject; *asked* is its delivery tag, and if multiple and requeue."""
        tag, multiple, requeue = asked
        settlement = "ack" if operation == "ack" else "requeue" if requeue else "reject"
        self.channels.of(channel).settled(tag, settlement, operation, seconds, multiple=multiple)

    def recovered(self, channel: Any, seconds: float) -> None:
        """Note that all that *channel* held was sent back."""
        self.settled(channel, "nack", (0, True, True), seconds)
