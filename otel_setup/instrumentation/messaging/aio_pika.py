# SPDX-License-Identifier: Apache-2.0
"""
aio-pika: every way to publish, to consume and to settle, on plain and on robust connections.

All of it passes through the channels and connections of aiormq, on which aio-pika sits: those
are looked at, so that who uses aiormq itself is served too. What a robust connection restores
begins there anew. Loops over messages are aio-pika's own; see `aio_pika_loops`.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import weakref
from collections.abc import Callable, Collection, Iterator
from timeit import default_timer
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_setup._guard import quiet
from otel_setup.instrumentation.messaging import aio_pika_loops, describing, publishing, state
from otel_setup.instrumentation.messaging.clock import STAMP
from otel_setup.instrumentation.messaging.consuming import Delivery
from otel_setup.instrumentation.messaging.naming import Naming
from otel_setup.instrumentation.messaging.watching import Watch
from otel_setup.instrumentation.patching import Patches, Replacement

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage
    from aiormq.channel import Channel
    from aiormq.connection import Connection


class AioPikaWatch(Watch):
    """What is known of aiormq's connections and channels, and how it becomes telemetry."""

    def __init__(self, naming: Naming) -> None:
        super().__init__(naming)
        #: Connections and channels that the client itself closes.
        self.unwanted: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Channels with handlers of ours in place of the program's.
        self.consuming: weakref.WeakSet[Channel] = weakref.WeakSet()

    def _connection(self, connection: Connection) -> state.Connection:
        known = state.Connection(connection.url.host or "unknown")
        ended = functools.partial(self._connection_ended, known, weakref.ref(connection))
        connection.closing.add_done_callback(ended)
        return known

    def _channel(self, channel: Channel) -> state.Channel:
        known = super()._channel(channel)
        ended = functools.partial(self._channel_ended, known, weakref.ref(channel))
        channel.closing.add_done_callback(ended)
        return known

    # ---- publishing

    def published(self, channel: Channel, publication: publishing.Publication) -> int:
        """Note that a message is on its way; return its number if the broker confirms it."""
        if not channel.publisher_confirms:
            return 0
        known = self.channels.of(channel)
        known.confirms = not channel.is_closed
        return known.published(publication) if known.confirms else 0

    def answered(
        self, channel: Channel, publication: publishing.Publication, number: int, answer: object
    ) -> None:
        """Note what became of it: *answer* is what publishing it returned, or raised."""
        self.channels.of(channel).unconfirmed.pop(number, None)
        if isinstance(answer, BaseException):
            outcome = _outcome(channel, number, answer)
            if outcome:
                publication.answered(outcome)
            elif number and isinstance(answer, TimeoutError):
                publication.answered("timeout")
            else:
                publication.failed(answer)
        elif answer is None:
            publication.written()
        else:
            publication.answered("ack" if _is(answer, "Basic.Ack") else "returned")

    def returned(self, message: DeliveredMessage) -> None:
        """Note a message that no queue wanted, though nobody waits to hear of it."""
        method: Any = message.delivery
        headers = message.header.properties.headers or {}
        destination = self.naming.sent(method.exchange or "", method.routing_key or "")
        publishing.returned(destination, headers.get(STAMP))

    # ---- consuming

    def delivered(
        self, message: DeliveredMessage, queue: str, operation: str, *, no_ack: bool
    ) -> Delivery:
        """Note a message that came from *queue* by *operation*."""
        known = self.channels.of(message.channel)
        delivery = describing.delivery(
            self.naming,
            message.delivery,
            message.header.properties,
            message.body,
            operation=operation,
            queue=queue,
            host=known.connection.host,
        )
        if not no_ack and message.delivery_tag:
            known.delivered(message.delivery_tag, delivery, auto_ack=False)
        return delivery

    def restore(self) -> None:
        """Give programs' handlers back their places."""
        for channel in list(self.consuming):
            for name, handler in list(channel.consumers.items()):
                ours = getattr(handler, "__wrapped__", None)
                if isinstance(ours, Handler):
                    channel.consumers[name] = ours.handler

    # ---- ends

    def _connection_ended(
        self,
        known: state.Connection,
        reference: weakref.ref[Connection],
        closing: asyncio.Future[Any],
    ) -> None:
        with quiet("noting the end of a connection"):
            known.closed(self._reason(reference(), _error(closing)))

    def _channel_ended(
        self, known: state.Channel, reference: weakref.ref[Channel], closing: asyncio.Future[Any]
    ) -> None:
        with quiet("noting the end of a channel"):
            known.closed(self._loss(reference(), _error(closing)))

    def _reason(self, connection: Connection | None, error: BaseException | None) -> str:
        from aiormq.exceptions import ConnectionClosed  # noqa: PLC0415 - loaded by now

        if connection is None or connection in self.unwanted:
            return "client"
        if connection.is_connection_was_stuck:
            return "heartbeat"
        if isinstance(error, asyncio.CancelledError):
            return "client"  # the event loop ends with all that is in it
        return "broker" if isinstance(error, ConnectionClosed) else "lost"

    def _loss(self, channel: Channel | None, error: BaseException | None) -> str:
        if channel is None or channel in self.unwanted:
            return ""
        connection: Any = channel.connection
        if connection.is_closed:
            reason = self._reason(connection, _error(connection.closing))
            return "" if reason == "client" else "connection_lost"
        return "" if isinstance(error, asyncio.CancelledError) else "channel_closed"


class Handler:
    """A program's handler of a consumer, between which and its channel we stand."""

    def __init__(
        self, watch: AioPikaWatch, handler: Callable[..., Any], queue: str, no_ack: bool
    ) -> None:
        from aiormq.tools import awaitable  # noqa: PLC0415 - the program may not use it

        #: As aiormq itself would have it.
        self.handler = awaitable(handler)
        self._keeps = aio_pika_loops.keeps(handler)
        self._watch = watch
        self._queue = queue
        self._no_ack = no_ack

    async def __call__(self, message: DeliveredMessage) -> Any:
        """Process *message*, or have it kept for a loop."""
        work = None
        with quiet("measuring a message that came"):
            delivery = self._watch.delivered(message, self._queue, "consume", no_ack=self._no_ack)
            if self._keeps:
                aio_pika_loops.ARRIVING.set(delivery)
            else:
                # This task was begun in the context of whoever opened the channel, long ago.
                otel_context.attach(Context())
                work = aio_pika_loops.Work(delivery, message.delivery_tag)
                work.is_watched = True
        if work is None:
            return await self.handler(message)
        try:
            result = await self.handler(message)
        except BaseException as error:
            with quiet("measuring a message that failed"):
                work.end(error)
            raise
        with quiet("measuring a message that is done"):
            work.end(None)
        return result


def _error(future: asyncio.Future[Any]) -> BaseException | None:
    if not future.done() or future.cancelled():
        return None
    return future.exception()


def _is(frame: object, name: str) -> bool:
    return getattr(frame, "name", "") == name


def _outcome(channel: Channel, number: int, error: BaseException) -> str:
    """Return what the broker said, or that it will say nothing; empty when it was not asked."""
    from aiormq.exceptions import (  # noqa: PLC0415 - loaded by now
        ChannelInvalidStateError,
        DeliveryError,
        PublishError,
    )

    if isinstance(error, PublishError):
        return "returned"
    if isinstance(error, DeliveryError):
        return "nack"
    asked = number and not isinstance(error, ChannelInvalidStateError)
    return "lost" if asked and channel.is_closed else ""


# ---- methods of aiormq's channel


def _publish(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def basic_publish(
            self: Channel,
            body: bytes,
            *,
            exchange: str = "",
            routing_key: str = "",
            properties: Any = None,
            **kwargs: Any,
        ) -> Any:
            publication, number = None, 0
            with quiet("measuring a message that is published"):
                publication = watch.publication(self, exchange, routing_key, body, properties)
                if publication is not None:
                    properties = _with_headers(properties, publication.headers)
                    number = watch.published(self, publication)
            answer: object = None
            try:
                answer = await original(
                    self,
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=properties,
                    **kwargs,
                )
            except BaseException as error:
                answer = error
                raise
            else:
                return answer
            finally:
                with quiet("measuring what became of a message that was published"):
                    if publication is not None:
                        watch.answered(self, publication, number, answer)
                del answer  # an exception, its traceback and this frame would hold one another

        return basic_publish

    return make


def _with_headers(properties: Any, headers: dict[str, Any]) -> Any:
    """Return a copy of *properties* with *headers*: the caller may use his own again."""
    if properties is None:
        from aiormq import spec  # noqa: PLC0415 - the program may not use it

        return spec.Basic.Properties(delivery_mode=1, headers=headers)
    changed = copy.copy(properties)
    changed.headers = headers
    return changed


def _settle(watch: AioPikaWatch, operation: str) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def settle(self: Channel, *args: Any, **kwargs: Any) -> Any:
            start = default_timer()
            result = await original(self, *args, **kwargs)
            with quiet("measuring what became of a message"):
                asked = _SETTLES[operation](*args, **kwargs)
                watch.settled(self, operation, asked, default_timer() - start)
            return result

        return settle

    return make


#: How each method is called; the defaults are aiormq's.
_SETTLES: dict[str, Callable[..., tuple[int, bool, bool]]] = {
    "ack": lambda delivery_tag, multiple=False, *_, **__: (delivery_tag, multiple, False),
    "nack": lambda delivery_tag, multiple=False, requeue=True, *_, **__: (
        delivery_tag,
        multiple,
        requeue,
    ),
    "reject": lambda delivery_tag, requeue=True, **__: (delivery_tag, False, requeue),
}


def _recover(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def basic_recover(self: Channel, *args: Any, **kwargs: Any) -> Any:
            start = default_timer()
            result = await original(self, *args, **kwargs)
            with quiet("measuring messages that are sent back"):
                watch.recovered(self, default_timer() - start)
            return result

        return basic_recover

    return make


def _consume(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def basic_consume(
            self: Channel,
            queue: str,
            consumer_callback: Any,
            *,
            no_ack: bool = False,
            **kwargs: Any,
        ) -> Any:
            handler = None
            with quiet("measuring a consumer"):
                if is_instrumentation_enabled():
                    watch.consuming.add(self)
                    handler = Handler(watch, consumer_callback, queue, no_ack)
            result = await original(
                self, queue, handler or consumer_callback, no_ack=no_ack, **kwargs
            )
            with quiet("noting a consumer"):
                if handler is not None:
                    watch.consumes(self, result.consumer_tag, queue, auto_ack=no_ack)
            return result

        return basic_consume

    return make


def _cancel(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def basic_cancel(self: Channel, consumer_tag: str, *args: Any, **kwargs: Any) -> Any:
            result = await original(self, consumer_tag, *args, **kwargs)
            with quiet("noting the end of a consumer"):
                watch.channels.of(self).cancelled(consumer_tag)
            return result

        return basic_cancel

    return make


def _cancelled(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def on_cancel_frame(self: Channel, frame: Any) -> Any:
            with quiet("noting a consumer that the broker ended"):
                if _is(frame, "Basic.Cancel"):
                    watch.channels.of(self).lost(frame.consumer_tag, "cancelled")
            return await original(self, frame)

        return on_cancel_frame

    return make


def _qos(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def basic_qos(
            self: Channel, *, prefetch_count: int | None = None, **kwargs: Any
        ) -> Any:
            result = await original(self, prefetch_count=prefetch_count, **kwargs)
            with quiet("noting a prefetch"):
                watch.channels.of(self).prefetch = prefetch_count or 0
            return result

        return basic_qos

    return make


def _get(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def basic_get(
            self: Channel, queue: str = "", no_ack: bool = False, *args: Any, **kwargs: Any
        ) -> Any:
            start = default_timer()
            message = await original(self, queue, no_ack, *args, **kwargs)
            with quiet("measuring a message that was asked for"):
                if is_instrumentation_enabled() and _is(message.delivery, "Basic.GetOk"):
                    delivery = watch.delivered(message, queue, "get", no_ack=no_ack)
                    delivery.received(default_timer() - start)
            return message

        return basic_get

    return make


def _read(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def read_content(self: Channel, frame: Any, header: Any) -> Any:
            message = await original(self, frame, header)
            with quiet("measuring a message that came back"):
                if not self.publisher_confirms and _is(frame, "Basic.Return"):
                    watch.returned(message)
            return message

        return read_content

    return make


def _close_channel(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def on_close(self: Channel, *args: Any, **kwargs: Any) -> Any:
            with quiet("noting that a channel is closed"):
                # Without it somebody else closed it before.
                if self.connection.is_opened and not self._Channel__close_event.is_set():  # type: ignore[attr-defined]
                    watch.unwanted.add(self)
            return await original(self, *args, **kwargs)

        return on_close

    return make


# ---- methods of aiormq's connection


def _connect(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def connect(self: Connection, *args: Any, **kwargs: Any) -> Any:
            try:
                result = await original(self, *args, **kwargs)
            except BaseException as error:
                with quiet("noting that there is no connection"):
                    if not watch.connections.of(self).is_open:
                        # aiormq wraps what the network said.
                        network = isinstance(error.__cause__, OSError | EOFError)
                        root = error.__cause__ if network else error
                        state.failed_to_open(type(root).__qualname__)
                raise
            with quiet("noting a connection"):
                watch.connections.of(self).opened()
            return result

        return connect

    return make


def _close_connection(watch: AioPikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def on_close(self: Connection, *args: Any, **kwargs: Any) -> Any:
            with quiet("noting that a connection is closed"):
                # What ends by itself has nobody who reads any more.
                if self.is_opened:
                    watch.unwanted.add(self)
            return await original(self, *args, **kwargs)

        return on_close

    return make


def _blocked(watch: AioPikaWatch, *, blocked: bool) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        async def handle(self: Connection, frame: Any) -> Any:
            with quiet("noting whether the broker takes messages"):
                known = watch.connections.of(self)
                (known.blocked if blocked else known.unblocked)()
            return await original(self, frame)

        return handle

    return make


def replacements(watch: AioPikaWatch) -> Iterator[Replacement]:
    """Yield the methods of aiormq and aio-pika, and what makes ours of them."""
    from aiormq.channel import Channel  # noqa: PLC0415 - the program may not use it
    from aiormq.connection import Connection  # noqa: PLC0415

    yield Channel, "basic_publish", _publish(watch)
    yield Channel, "basic_consume", _consume(watch)
    yield Channel, "basic_cancel", _cancel(watch)
    yield Channel, "basic_qos", _qos(watch)
    yield Channel, "basic_get", _get(watch)
    for operation in _SETTLES:
        yield Channel, f"basic_{operation}", _settle(watch, operation)
    yield Channel, "basic_recover", _recover(watch)
    yield Channel, "_on_cancel_frame", _cancelled(watch)
    yield Channel, "_read_content", _read(watch)
    yield Channel, "_on_close", _close_channel(watch)
    yield Connection, "connect", _connect(watch)
    yield Connection, "_on_close", _close_connection(watch)
    for name in ("blocked", "unblocked"):
        method = f"_Connection__handle_connection_{name}"
        yield Connection, method, _blocked(watch, blocked=name == "blocked")
    yield from aio_pika_loops.replacements()


class AioPikaInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures every client of aio-pika; entry point ``otel_setup_aio_pika``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose clients are measured."""
        return ("aio-pika >= 9, < 11",)

    def _instrument(self, **_kwargs: Any) -> None:
        watch = self._watch = AioPikaWatch(Naming.from_env())
        self._patches = Patches(lambda: replacements(watch))
        self._patches.apply()

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._patches.undo()
        self._watch.restore()
        self._watch.forget()
