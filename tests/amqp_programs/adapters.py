# SPDX-License-Identifier: Apache-2.0
"""Publishes three messages and works on them with one of pika's adapters; says what is recorded."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import pika
from opentelemetry import trace

from otel_setup.instrumentation.messaging.pika import PikaInstrumentor
from otel_setup.testing import Telemetry, recorded

MESSAGES = 3


def work() -> None:
    """Do what a handler does."""
    with trace.get_tracer("test").start_as_current_span("work"):
        pass


def blocking(url: str, queue: str) -> None:
    """Use the blocking connection."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for _ in range(MESSAGES):
            channel.basic_publish("", queue, b"x")

        def handle(own: Any, method: Any, _properties: Any, _body: bytes) -> None:
            work()
            own.basic_ack(method.delivery_tag)
            if method.delivery_tag == MESSAGES:
                own.stop_consuming()

        channel.basic_consume(queue, handle)
        channel.start_consuming()


def select(url: str, queue: str) -> None:
    """Use pika's own loop."""
    _callbacks(pika.SelectConnection, url, queue)


def asyncio(url: str, queue: str) -> None:
    """Use asyncio's loop."""
    from pika.adapters.asyncio_connection import AsyncioConnection  # noqa: PLC0415

    _callbacks(AsyncioConnection, url, queue)


def tornado(url: str, queue: str) -> None:
    """Use Tornado's loop."""
    from pika.adapters.tornado_connection import TornadoConnection  # noqa: PLC0415

    _callbacks(TornadoConnection, url, queue)


def gevent(url: str, queue: str) -> None:
    """Use gevent's loop."""
    from pika.adapters.gevent_connection import GeventConnection  # noqa: PLC0415

    _callbacks(GeventConnection, url, queue)


def _callbacks(adapter: Any, url: str, queue: str) -> None:
    def ready(channel: Any) -> None:
        channel.basic_consume(queue, handle)
        for _ in range(MESSAGES):
            channel.basic_publish("", queue, b"x")

    def handle(own: Any, method: Any, _properties: Any, _body: bytes) -> None:
        work()
        own.basic_ack(method.delivery_tag)
        if method.delivery_tag == MESSAGES:
            connection.close()

    connection: Any = adapter(
        pika.URLParameters(url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=ready),
        on_close_callback=lambda *_: loop.stop(),
    )
    loop: Any = connection.ioloop
    (loop.start if hasattr(loop, "start") else loop.run_forever)()


def twisted(url: str, queue: str) -> None:
    """Use Twisted's reactor; who waits for a message is called when it comes."""
    from pika.adapters.twisted_connection import TwistedProtocolConnection  # noqa: PLC0415

    # Half typed: as Any it is at least all the same.
    defer: Any = importlib.import_module("twisted.internet.defer")
    protocol: Any = importlib.import_module("twisted.internet.protocol")
    reactor: Any = importlib.import_module("twisted.internet.reactor")
    parameters = pika.URLParameters(url)

    @defer.inlineCallbacks  # type: ignore[untyped-decorator]
    def run(connection: Any) -> Any:
        yield connection.ready
        channel = yield connection.channel()
        messages, _ = yield channel.basic_consume(queue)
        left = [MESSAGES]
        done: Any = defer.Deferred()

        def handle(message: Any) -> None:
            work()
            channel.basic_ack(message.method.delivery_tag)
            left[0] -= 1
            if left[0]:
                messages.get().addCallback(handle)
            else:
                done.callback(None)

        messages.get().addCallback(handle)
        for _ in range(MESSAGES):
            yield channel.basic_publish("", queue, b"x")
        yield done
        yield connection.close()
        reactor.stop()

    creator = protocol.ClientCreator(reactor, TwistedProtocolConnection, parameters)
    creator.connectTCP(parameters.host, parameters.port).addCallback(run)
    reactor.run()


def say(otel: Telemetry) -> None:
    """Print what was recorded."""

    def of(kind: str, name: str) -> list[Any]:
        return [each for each in otel.spans if (each.kind, each.name.split()[0]) == (kind, name)]

    sent, done, worked = (
        of("PRODUCER", "publish"),
        of("CONSUMER", "process"),
        of("INTERNAL", "work"),
    )
    lines = [f"PRODUCER publish: {len(sent)}, in {len({each.trace_id for each in sent})} traces"]
    for kind, spans, above, what in (
        ("CONSUMER process", done, sent, "publisher"),
        ("INTERNAL work", worked, done, "process"),
    ):
        ids = {(each.trace_id, each.span_id) for each in above}
        below = {(each.trace_id, each.parent_id) for each in spans} == ids
        lines.append(f"{kind}: {len(spans)}, {'each below its' if below else 'not below a'} {what}")
    for name in (
        *("messaging.client.sent.messages", "messaging.client.consumed.messages"),
        *("messaging.process.duration", "messaging.rabbitmq.queue.duration"),
        *("messaging.rabbitmq.settled.messages", "messaging.rabbitmq.unsettled.messages"),
        *("messaging.rabbitmq.connection.opens", "messaging.rabbitmq.connection.closes"),
    ):
        found = otel.metrics[name].points if name in otel.metrics else ()
        lines.append(f"{name}: {sum(int(point.value) for point in found)}")
    print("\n".join(lines))  # noqa: T201 - the answer


if __name__ == "__main__":
    ADAPTERS: dict[str, Callable[[str, str], None]] = {
        each.__name__: each for each in (blocking, select, asyncio, tornado, gevent, twisted)
    }
    with recorded() as telemetry:
        PikaInstrumentor().instrument()
        ADAPTERS[sys.argv[1]](*sys.argv[2:])
        say(telemetry)
