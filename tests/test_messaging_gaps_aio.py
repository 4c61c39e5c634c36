# SPDX-License-Identifier: Apache-2.0
"""What upstream's instrumentation of aio-pika gets wrong, on a real broker; ours gets it right."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from opentelemetry import trace

from otel_setup.testing import Telemetry
from tests.amqp_gaps import by_id, counted, follows, gap, of_kind
from tests.broker import Broker

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("instrumentation")]

TRACER = trace.get_tracer("the application")
QUEUE = "messaging.rabbitmq.queue.name"
#: What strangers may put where a trace is expected.
POISON: tuple[Any, ...] = (5, b"\xff", [], None, {}, "0" * 10_000)
_SECONDS = 3.0


@contextlib.asynccontextmanager
async def connected(broker: Broker) -> AsyncIterator[AbstractChannel]:
    """Yield a channel of the aio-pika that is instrumented."""
    async with await aio_pika.connect(broker.url) as connection:
        yield await connection.channel()


async def consume(
    queue: AbstractQueue,
    handle: Callable[[AbstractIncomingMessage], Awaitable[None]],
    messages: int,
) -> None:
    """Give *messages* of *queue* to *handle*; give up in silence when too few come."""
    left, done = messages, asyncio.Event()

    async def on_message(message: AbstractIncomingMessage) -> None:
        nonlocal left
        try:
            await handle(message)
        finally:
            left -= 1
            if not left:
                done.set()

    tag = await queue.consume(on_message)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), _SECONDS)
    await asyncio.sleep(0)
    await queue.cancel(tag)


async def send(channel: AbstractChannel, queue: str, *bodies: bytes) -> None:
    """Publish *bodies* to *queue*."""
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body), queue)


@gap("aio_pika", "the work in a loop over messages has no parent")
def test_an_iterators_span_covers_the_work(otel: Telemetry, broker: Broker) -> None:
    """Work in a loop over messages lies inside its message's span; what comes after does not."""
    name = broker.queue()

    async def work() -> None:
        async with connected(broker) as channel:
            await send(channel, name, b"", b"")
            queue = await channel.get_queue(name)
            left = 2
            async with queue.iterator(timeout=10) as messages:
                async for message in messages:
                    async with message.process():
                        with TRACER.start_as_current_span("work"):
                            await asyncio.sleep(0)
                    left -= 1
                    if not left:
                        break
            with TRACER.start_as_current_span("after"):
                pass

    asyncio.run(work())

    works = [span for span in otel.spans if span.name == "work"]
    processes = [by_id(otel, span.parent_id) for span in works]
    assert [process.kind for process in processes] == ["CONSUMER"] * 2
    assert [
        process.start < span.start and span.end < process.end
        for process, span in zip(processes, works, strict=True)
    ] == [True, True]
    assert otel.span("after").parent_id == ""


@gap("aio_pika", "get has no span, so that the trace ends there")
def test_a_get_follows_its_message(otel: Telemetry, broker: Broker) -> None:
    """A message that is fetched has a span that points to its sender; an empty queue has none."""
    name = broker.queue()
    headers: list[Any] = []
    counts: list[int] = []

    async def fetch() -> None:
        async with connected(broker) as channel:
            await send(channel, name, b"")
            queue = await channel.get_queue(name)
            message = await queue.get(no_ack=True, fail=False)
            assert message is not None
            headers.append(message.headers["traceparent"])
            counts.append(len(otel.spans))
            assert await queue.get(no_ack=True, fail=False) is None

    asyncio.run(fetch())

    assert len(otel.spans) == counts[0]
    assert [
        span.name for span in otel.spans if span.kind != "PRODUCER" and follows(span, headers[0])
    ] != []


@gap("aio_pika", "a message with a header that is no text never reaches its handler")
def test_no_header_ends_a_consumer(otel: Telemetry, broker: Broker) -> None:
    """Whatever stands where a trace is expected, the handler runs; unreadable ones are counted."""
    name = broker.queue()
    for value in POISON:
        broker.publish(name, headers={"traceparent": value})
    handled: list[object] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        handled.append(message.headers)
        await message.ack()

    async def work() -> None:
        async with connected(broker) as channel:
            await consume(await channel.get_queue(name), handle, len(POISON))

    asyncio.run(work())

    assert handled == [{"traceparent": value} for value in POISON]
    invalid = otel.metric("messaging.rabbitmq.invalid.contexts")
    assert invalid.value({QUEUE: name}) == len(POISON)


@gap("aio_pika", "no metrics, and the queue is nowhere")
def test_every_message_is_counted(otel: Telemetry, broker: Broker) -> None:
    """Ten sent, seven acknowledged, two turned down, one that fails: by queue and outcome."""
    name = broker.queue()

    async def handle(message: AbstractIncomingMessage) -> None:
        if message.body == b"bad":
            await message.reject(requeue=False)
            return
        async with message.process():
            if message.body == b"fails":
                raise ZeroDivisionError

    async def work() -> None:
        async with connected(broker) as channel:
            await send(channel, name, *[b"good"] * 7, b"bad", b"bad", b"fails")
            await consume(await channel.get_queue(name), handle, 10)

    asyncio.run(work())

    assert otel.metric("messaging.client.sent.messages").by("messaging.destination.name") == {
        name: 10
    }
    assert otel.metric("messaging.client.consumed.messages").by(QUEUE) == {name: 10}
    assert otel.metric("messaging.process.duration").by(QUEUE, "error.type") == {
        (name, None): 7,
        (name, "reject"): 2,
        (name, "ZeroDivisionError"): 1,
    }
    settled = "messaging.rabbitmq.settled.messages"
    assert counted(otel, settled, QUEUE, "messaging.rabbitmq.settlement") == {
        (name, "ack"): 7,
        (name, "reject"): 3,
    }


@gap("aio_pika", "nobody knows how long a message waited")
def test_the_wait_is_measured(otel: Telemetry, broker: Broker) -> None:
    """A message that is held for half a second waited for half a second."""
    name = broker.queue()

    async def handle(message: AbstractIncomingMessage) -> None:
        await message.ack()

    async def work() -> float:
        async with connected(broker) as channel:
            start = time.monotonic()
            await send(channel, name, b"")
            await asyncio.sleep(0.5)
            await consume(await channel.get_queue(name), handle, 1)
            return time.monotonic() - start

    whole = asyncio.run(work())

    wait = otel.metric("messaging.rabbitmq.queue.duration").point({QUEUE: name})
    assert wait.value == 1
    assert 0.5 <= wait.sum <= whole


@gap("aio_pika", "exchange and routing key are joined by a comma, the queue is nowhere")
def test_spans_are_named_by_the_conventions(otel: Telemetry, broker: Broker) -> None:
    """A message over an exchange is named exchange, routing key and, when consumed, queue."""
    name = broker.queue()

    async def handle(message: AbstractIncomingMessage) -> None:
        await message.ack()

    async def work() -> None:
        async with connected(broker) as channel:
            queue = await channel.get_queue(name)
            await queue.bind("amq.topic", f"{name}.made")
            exchange = await channel.get_exchange("amq.topic")
            await exchange.publish(aio_pika.Message(b""), f"{name}.made")
            await consume(queue, handle, 1)

    asyncio.run(work())

    assert [span.name for span in of_kind(otel, "PRODUCER")] == [f"publish amq.topic:{name}.made"]
    assert [span.name for span in of_kind(otel, "CONSUMER")] == [
        f"process amq.topic:{name}.made:{name}"
    ]
