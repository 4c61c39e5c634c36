# SPDX-License-Identifier: Apache-2.0
"""
pika: every way to publish, to consume and to settle, on all of its connections.

Everything but two things passes through `pika.channel.Channel` and `pika.connection.Connection`,
whatever the adapter: those are looked at, once, and so a blocking channel, which sits upon
another, is not measured twice. The two are when a blocking connection gives a message to its
handler, and how it fails to connect; see `pika_blocking`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from timeit import default_timer
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_setup._guard import quiet
from otel_setup.instrumentation.messaging import describing, publishing, state
from otel_setup.instrumentation.messaging.beside import Beside
from otel_setup.instrumentation.messaging.clock import STAMP
from otel_setup.instrumentation.messaging.consuming import Delivery
from otel_setup.instrumentation.messaging.naming import Naming
from otel_setup.instrumentation.messaging.watching import Watch
from otel_setup.instrumentation.patching import Patches, Replacement

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.connection import Connection
    from pika.spec import BasicProperties

#: Method, properties and body, as pika gives them to a handler.
Message = tuple[Any, Any, Any]

#: What pika says when a connection ends → why it did.
_CLOSES = {
    "ConnectionClosedByClient": "client",
    "ConnectionClosedByBroker": "broker",
    "AMQPHeartbeatTimeout": "heartbeat",
    "ConnectionBlockedTimeout": "blocked",
}


class PikaWatch(Watch):
    """What is known of pika's connections and channels, and how it becomes telemetry."""

    def __init__(self, naming: Naming) -> None:
        super().__init__(naming)
        #: Who waits for the answer to a get: queue, whether it settles itself, and since when.
        self._getting: Beside[list[tuple[str, bool, float]]] = Beside(lambda _: [])

    def _connection(self, connection: Connection) -> state.Connection:
        return state.Connection(str(getattr(connection.params, "host", None) or "unknown"))

    # ---- publishing

    def returned(self, channel: Channel, method: Any, properties: BasicProperties) -> None:
        """Note a message that no queue wanted."""
        stamp = (properties.headers or {}).get(STAMP)
        if not self.channels.of(channel).returned(stamp):
            publishing.returned(self.naming.sent(method.exchange, method.routing_key), stamp)

    # ---- consuming

    def delivered(self, channel: Channel, message: Message) -> Delivery:
        """Note a message that the broker pushed."""
        known = self.channels.of(channel)
        method = message[0]
        consumer = known.consumer(method.consumer_tag)
        delivery = self._delivery(channel, "consume", consumer.source if consumer else "", message)
        auto_ack = consumer.auto_ack if consumer else False
        known.delivered(method.delivery_tag, delivery, auto_ack=auto_ack)
        return delivery

    def taken(self, channel: Channel, message: Message) -> Delivery:
        """Return the delivery of a message that somebody begins to work on now."""
        found = self.channels.of(channel).taken(message[0].delivery_tag)
        return found or self.delivered(channel, message)

    def asked(self, channel: Channel, queue: str, *, auto_ack: bool) -> None:
        """Note that somebody asks for one message; the answer follows."""
        self._getting.of(channel)[:] = [(queue, auto_ack, default_timer())]

    def got(self, channel: Channel, message: Message) -> None:
        """Note the message that somebody asked for."""
        waiting = self._getting.of(channel)
        queue, auto_ack, since = waiting.pop() if waiting else ("", False, default_timer())
        delivery = self._delivery(channel, "get", queue, message)
        if not auto_ack:
            self.channels.of(channel).delivered(message[0].delivery_tag, delivery, auto_ack=False)
        delivery.received(default_timer() - since)

    def _delivery(self, channel: Channel, operation: str, queue: str, message: Message) -> Delivery:
        return describing.delivery(
            self.naming,
            *message,
            operation=operation,
            queue=queue,
            host=self.channels.of(channel).connection.host,
        )

    # ---- frames that nobody else is told about

    def frame(self, connection: Connection, frame: Any) -> None:
        """Look at a method that the broker sent."""
        look = _FRAMES.get(frame.method.NAME)
        if look is not None:
            channel = connection._channels.get(frame.channel_number)  # noqa: SLF001
            look(
                self.connections.of(connection),
                self.channels.of(channel) if channel else None,
                frame.method,
            )


_Look = Callable[[state.Connection, "state.Channel | None", Any], None]


def _confirmed(confirmation: str) -> _Look:
    def look(_: state.Connection, channel: state.Channel | None, method: Any) -> None:
        if channel is not None:
            channel.confirmed(method.delivery_tag, confirmation, multiple=bool(method.multiple))

    return look


def _cancelled(_: state.Connection, channel: state.Channel | None, method: Any) -> None:
    if channel is not None:
        channel.lost(method.consumer_tag, "cancelled")


_FRAMES: Mapping[str, _Look] = {
    "Basic.Ack": _confirmed("ack"),
    "Basic.Nack": _confirmed("nack"),
    "Basic.Cancel": _cancelled,
    "Connection.Blocked": lambda connection, *_: connection.blocked(),
    "Connection.Unblocked": lambda connection, *_: connection.unblocked(),
}


# ---- methods of pika


def _publish(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_publish(  # noqa: PLR0913, PLR0917 - as pika's
            self: Channel,
            exchange: str,
            routing_key: str,
            body: Any,
            properties: Any = None,
            mandatory: bool = False,
        ) -> Any:
            publication = None
            with quiet("measuring a message that is published"):
                publication = watch.publication(self, exchange, routing_key, body, properties)
                if publication is not None:
                    properties = _with_headers(properties, publication.headers)
            try:
                result = original(self, exchange, routing_key, body, properties, mandatory)
            except BaseException as error:
                with quiet("measuring a message that could not be published"):
                    if publication is not None:
                        publication.failed(error)
                raise
            with quiet("measuring a message that is published"):
                watch.channels.of(self).published(publication)
            return result

        return basic_publish

    return make


def _with_headers(properties: Any, headers: dict[str, Any]) -> Any:
    """Return a copy of *properties* with *headers*: the caller may use his own again."""
    if properties is None:
        from pika.spec import BasicProperties  # noqa: PLC0415 - the program may not use it

        return BasicProperties(headers=headers)
    # As copy.copy does, at a fifth of its price: these objects are plain.
    changed = object.__new__(type(properties))
    changed.__dict__.update(properties.__dict__)
    changed.headers = headers
    return changed


def _settle(watch: PikaWatch, operation: str) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def settle(self: Channel, *args: Any, **kwargs: Any) -> Any:
            start = default_timer()
            result = original(self, *args, **kwargs)
            with quiet("measuring what became of a message"):
                asked = _SETTLES[operation](*args, **kwargs)
                watch.settled(self, operation, asked, default_timer() - start)
            return result

        return settle

    return make


#: How each method is called; the defaults are pika's.
_SETTLES: Mapping[str, Callable[..., tuple[int, bool, bool]]] = {
    "ack": lambda delivery_tag=0, multiple=False: (delivery_tag, multiple, False),
    "nack": lambda delivery_tag=0, multiple=False, requeue=True: (delivery_tag, multiple, requeue),
    "reject": lambda delivery_tag=0, requeue=True: (delivery_tag, False, requeue),
}


def _recover(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_recover(self: Channel, *args: Any, **kwargs: Any) -> Any:
            start = default_timer()
            result = original(self, *args, **kwargs)
            with quiet("measuring messages that are sent back"):
                watch.recovered(self, default_timer() - start)
            return result

        return basic_recover

    return make


def _confirm(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def confirm_delivery(self: Channel, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            with quiet("noting that messages are confirmed"):
                watch.channels.of(self).confirms = True
            return result

        return confirm_delivery

    return make


def _consume(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_consume(
            self: Channel,
            queue: str,
            on_message_callback: Any,
            auto_ack: bool = False,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            tag = original(self, queue, on_message_callback, auto_ack, *args, **kwargs)
            with quiet("noting a consumer"):
                watch.consumes(self, tag, queue, auto_ack=auto_ack)
            return tag

        return basic_consume

    return make


def _cancel(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_cancel(self: Channel, consumer_tag: str = "", *args: Any, **kwargs: Any) -> Any:
            result = original(self, consumer_tag, *args, **kwargs)
            with quiet("noting the end of a consumer"):
                watch.channels.of(self).cancelled(consumer_tag)
            return result

        return basic_cancel

    return make


def _qos(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_qos(
            self: Channel,
            prefetch_size: int = 0,
            prefetch_count: int = 0,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            result = original(self, prefetch_size, prefetch_count, *args, **kwargs)
            with quiet("noting a prefetch"):
                watch.channels.of(self).prefetch = prefetch_count
            return result

        return basic_qos

    return make


def _get(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_get(self: Channel, queue: str, callback: Any, auto_ack: bool = False) -> Any:
            result = original(self, queue, callback, auto_ack)
            with quiet("noting that a message is asked for"):
                watch.asked(self, queue, auto_ack=auto_ack)
            return result

        return basic_get

    return make


def _got(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def on_getok(self: Channel, method_frame: Any, header_frame: Any, body: Any) -> Any:
            with quiet("measuring a message that was asked for"):
                if is_instrumentation_enabled():
                    watch.got(self, (method_frame.method, header_frame.properties, body))
            return original(self, method_frame, header_frame, body)

        return on_getok

    return make


def _deliver(watch: PikaWatch) -> Callable[[Any], Any]:
    from otel_setup.instrumentation.messaging.pika_blocking import hands_over  # noqa: PLC0415

    def make(original: Any) -> Any:
        @functools.wraps(original)
        def on_deliver(self: Channel, method_frame: Any, header_frame: Any, body: Any) -> Any:
            delivery = None
            with quiet("measuring a message that came"):
                if is_instrumentation_enabled():
                    method = method_frame.method
                    delivery = watch.delivered(self, (method, header_frame.properties, body))
                    if hands_over(self._consumers.get(method.consumer_tag)):
                        delivery = None  # its handler begins later
                    else:
                        watch.channels.of(self).taken(method.delivery_tag)
            return processed(delivery, original, self, method_frame, header_frame, body)

        return on_deliver

    return make


def processed(delivery: Delivery | None, handler: Callable[..., Any], *args: Any) -> Any:
    """Call *handler* with *args* as the processing of *delivery*; None is not measured."""
    if delivery is None:
        return handler(*args)
    with quiet("beginning with a message"):
        delivery.begin()
    try:
        result = handler(*args)
    except BaseException as error:
        with quiet("measuring a message that failed"):
            delivery.end(error)
        raise
    with quiet("measuring a message that is done"):
        delivery.end(None)
    return result


def _return(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def on_return(self: Channel, method_frame: Any, header_frame: Any, body: Any) -> Any:
            with quiet("measuring a message that came back"):
                watch.returned(self, method_frame.method, header_frame.properties)
            return original(self, method_frame, header_frame, body)

        return on_return

    return make


def _channel_ends(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def transition_to_closed(self: Channel) -> Any:
            with quiet("noting the end of a channel"):
                channel = watch.channels.known(self)
                if channel is not None:
                    reason = self._closing_reason
                    gave_up = type(reason).__name__ == "ConnectionBlockedTimeout"
                    channel.closed(_loss(reason), "timeout" if gave_up else "lost")
            return original(self)

        return transition_to_closed

    return make


def _loss(reason: BaseException | None) -> str:
    """Return why consumers end with their channel; empty when the client wanted it."""
    name = type(reason).__name__
    if name in {"ChannelClosedByClient", "ConnectionClosedByClient"}:
        return ""
    return "channel_closed" if name == "ChannelClosedByBroker" else "connection_lost"


def _connection_opens(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def on_connection_open_ok(self: Connection, method_frame: Any) -> Any:
            with quiet("noting a connection"):
                watch.connections.of(self).opened()
            return original(self, method_frame)

        return on_connection_open_ok

    return make


def _connection_ends(watch: PikaWatch) -> Callable[[Any], Any]:
    from otel_setup.instrumentation.messaging.pika_blocking import connecting  # noqa: PLC0415

    def make(original: Any) -> Any:
        @functools.wraps(original)
        def on_stream_terminated(self: Connection, error: BaseException | None) -> Any:
            reason = error or self._error
            # Before: a loop that is stopped by the program's callback never comes back from it.
            with quiet("noting the end of a connection"):
                known = watch.connections.of(self)
                if known.is_open:
                    known.closed(_CLOSES.get(type(reason).__name__, "lost"))
                elif not connecting() and reason is not None:
                    state.failed_to_open(root(reason))
            return original(self, error)

        return on_stream_terminated

    return make


def root(error: BaseException) -> str:
    """Return the class of what is behind *error*: pika wraps what the network said."""
    for _ in range(5):
        inner = (
            getattr(error, "exception", None) or (getattr(error, "exceptions", None) or [None])[-1]
        )
        if inner is None:
            inner = next((each for each in error.args if isinstance(each, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return type(error).__qualname__


def _frame(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def process_frame(self: Connection, frame_value: Any) -> Any:
            # Most frames carry parts of messages and no method.
            if frame_value.frame_type == 1:
                with quiet("looking at what the broker says"):
                    watch.frame(self, frame_value)
            return original(self, frame_value)

        return process_frame

    return make


def replacements(watch: PikaWatch) -> Iterator[Replacement]:
    """Yield the methods of pika, and what makes ours of them."""
    from pika.channel import Channel  # noqa: PLC0415 - the program may not use it
    from pika.connection import Connection  # noqa: PLC0415

    from otel_setup.instrumentation.messaging import pika_blocking  # noqa: PLC0415

    yield Channel, "basic_publish", _publish(watch)
    yield Channel, "confirm_delivery", _confirm(watch)
    yield Channel, "basic_consume", _consume(watch)
    yield Channel, "basic_cancel", _cancel(watch)
    yield Channel, "basic_qos", _qos(watch)
    yield Channel, "basic_get", _get(watch)
    for operation in _SETTLES:
        yield Channel, f"basic_{operation}", _settle(watch, operation)
    yield Channel, "basic_recover", _recover(watch)
    yield Channel, "_on_deliver", _deliver(watch)
    yield Channel, "_on_getok", _got(watch)
    yield Channel, "_on_return", _return(watch)
    yield Channel, "_transition_to_closed", _channel_ends(watch)
    yield Connection, "_on_connection_open_ok", _connection_opens(watch)
    yield Connection, "_on_stream_terminated", _connection_ends(watch)
    yield Connection, "_process_frame", _frame(watch)
    yield from pika_blocking.replacements(watch)


class PikaInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures every client of pika; entry point ``otel_setup_pika``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose clients are measured."""
        return ("pika >= 1.1, < 2",)

    def _instrument(self, **_kwargs: Any) -> None:
        watch = self._watch = PikaWatch(Naming.from_env())
        self._patches = Patches(lambda: replacements(watch))
        self._patches.apply()

    def _uninstrument(self, **_kwargs: Any) -> None:
        from otel_setup.instrumentation.messaging import pika_blocking  # noqa: PLC0415

        self._patches.undo()
        pika_blocking.restore()
        self._watch.forget()
