# SPDX-License-Identifier: Apache-2.0
"""
pika's blocking connection: it keeps messages back and gives them to their handlers later.

So processing begins where it calls a handler, where its generator yields, and nowhere below.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_setup._guard import quiet
from otel_setup.context import carry_context
from otel_setup.instrumentation.messaging import state
from otel_setup.instrumentation.messaging.consuming import Delivery
from otel_setup.instrumentation.patching import Replacement

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

    from otel_setup.instrumentation.messaging.pika import PikaWatch

_here = threading.local()

#: Channels with handlers of ours in place of the program's.
_channels: weakref.WeakSet[Any] = weakref.WeakSet()
#: Deliveries that a generator gave out, by their channel.
_open: weakref.WeakKeyDictionary[Any, Delivery] = weakref.WeakKeyDictionary()


def hands_over(callback: Any) -> bool:
    """Tell whether *callback* only keeps the message for a handler that is called later."""
    return getattr(callback, "__name__", "") == "_on_consumer_message_delivery"


def connecting() -> bool:
    """Tell whether a blocking connection is being made, which says itself how that ends."""
    return getattr(_here, "connecting", False)


class Handler:
    """A program's handler, between which and its channel we stand."""

    def __init__(self, watch: PikaWatch, handler: Callable[..., Any]) -> None:
        self.handler = handler
        self._watch = watch

    def __call__(self, channel: BlockingChannel, method: Any, properties: Any, body: Any) -> Any:
        """Process a message."""
        from otel_setup.instrumentation.messaging.pika import processed  # noqa: PLC0415 - a circle

        delivery = None
        with quiet("measuring a message that came"):
            if is_instrumentation_enabled():
                delivery = self._watch.taken(channel._impl, (method, properties, body))  # noqa: SLF001
        return processed(delivery, self.handler, channel, method, properties, body)


def restore() -> None:
    """Give programs' handlers back their places."""
    for channel in list(_channels):
        for info in list(channel._consumer_infos.values()):  # noqa: SLF001
            if isinstance(info.on_message_callback, Handler):
                info.on_message_callback = info.on_message_callback.handler
    _channels.clear()


def _consume(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def basic_consume(
            self: BlockingChannel, queue: str, on_message_callback: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if callable(on_message_callback):
                _channels.add(self)
                on_message_callback = Handler(watch, on_message_callback)
            return original(self, queue, on_message_callback, *args, **kwargs)

        return basic_consume

    return make


def _generate(watch: PikaWatch) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def consume(self: BlockingChannel, *args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                for method, properties, body in original(self, *args, **kwargs):
                    if method is not None and is_instrumentation_enabled():
                        with quiet("beginning with a message"):
                            delivery = watch.taken(self._impl, (method, properties, body))
                            _open[self] = delivery
                            delivery.begin()
                    yield method, properties, body
                    _finish(self, None)
            except GeneratorExit:
                raise  # the loop was left: no failure
            except BaseException as error:
                _finish(self, error)
                raise
            finally:
                _finish(self, None)

        return consume

    return make


def _finish(channel: BlockingChannel, error: BaseException | None) -> None:
    delivery = _open.pop(channel, None)
    if delivery is not None:
        with quiet("measuring a message that is done"):
            delivery.end(error)


def _stop(original: Any) -> Any:
    @functools.wraps(original)
    def cancel(self: BlockingChannel) -> Any:
        _finish(self, None)
        return original(self)

    return cancel


def _connect(original: Any) -> Any:
    @functools.wraps(original)
    def create_connection(self: BlockingConnection, *args: Any, **kwargs: Any) -> Any:
        from otel_setup.instrumentation.messaging.pika import root  # noqa: PLC0415 - a circle

        _here.connecting = True
        try:
            return original(self, *args, **kwargs)
        except Exception as error:
            with quiet("noting that there is no connection"):
                state.failed_to_open(root(error))
            raise
        finally:
            _here.connecting = False

    return create_connection


def _threadsafe(original: Any) -> Any:
    @functools.wraps(original)
    def add_callback_threadsafe(self: Any, callback: Any) -> Any:
        return original(self, _carried(callback))

    return add_callback_threadsafe


def _later(original: Any) -> Any:
    @functools.wraps(original)
    def call_later(self: BlockingConnection, delay: float, callback: Any) -> Any:
        return original(self, delay, _carried(callback))

    return call_later


def _carried(callback: Any) -> Any:
    """Return *callback* bound to the current trace, if there is one."""
    if callable(callback) and trace.get_current_span().get_span_context().is_valid:
        return carry_context(callback)
    return callback


def replacements(watch: PikaWatch) -> Iterator[Replacement]:
    """Yield the methods of pika's blocking connection, and what makes ours of them."""
    from pika.adapters import blocking_connection, select_connection  # noqa: PLC0415

    yield blocking_connection.BlockingChannel, "basic_consume", _consume(watch)
    yield blocking_connection.BlockingChannel, "consume", _generate(watch)
    yield blocking_connection.BlockingChannel, "cancel", _stop
    yield blocking_connection.BlockingConnection, "_create_connection", _connect
    yield blocking_connection.BlockingConnection, "add_callback_threadsafe", _threadsafe
    yield blocking_connection.BlockingConnection, "call_later", _later
    # The loop's own timers go on for ever, so only what is handed over once.
    yield select_connection.IOLoop, "add_callback_threadsafe", _threadsafe
