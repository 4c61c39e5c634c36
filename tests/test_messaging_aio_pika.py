# SPDX-License-Identifier: Apache-2.0
"""Messages of aio-pika on a real broker: how they are sent, got, worked on and settled."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import DeliveryError, PublishError, QueueEmpty
from aio_pika.patterns import RPC
from aio_pika.robust_queue import RobustQueueIterator
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_setup.instrumentation.messaging.aio_pika import AioPikaInstrumentor
from otel_setup.instrumentation.messaging.aio_pika_loops import Iteration
from otel_setup.testing import Telemetry
from tests.amqp_gaps import by_id, counted, follows, of_kind, ours
from tests.broker import Broker

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("instrumentation"), ours("aio_pika")]

TRACER = trace.get_tracer("the application")
QUEUE = "messaging.rabbitmq.queue.name"
DESTINATION = "messaging.destination.name"
SENT = "messaging.client.sent.messages"
CONFIRMS = "messaging.rabbitmq.confirm.duration"
CONFIRMATION = "messaging.rabbitmq.confirmation"
SETTLED = "messaging.rabbitmq.settled.messages"
SETTLEMENT = "messaging.rabbitmq.settlement"
PROCESSED = "messaging.process.duration"
UNSETTLED = "messaging.rabbitmq.unsettled.messages"
_SECONDS = 20.0

either = pytest.mark.parametrize(
    "connect", [aio_pika.connect, aio_pika.connect_robust], ids=["plain", "robust"]
)
Connect = Callable[..., Any]


@contextlib.asynccontextmanager
async def connected(
    url: str, connect: Connect = aio_pika.connect, **options: Any
) -> AsyncIterator[AbstractChannel]:
    """Yield a channel."""
    async with await connect(url) as connection:
        yield await connection.channel(**options)


async def send(channel: AbstractChannel, queue: str, *bodies: bytes) -> None:
    """Publish *bodies* to *queue*."""
    for body in bodies:
        await channel.default_exchange.publish(aio_pika.Message(body), queue)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until *holds* is true."""
    async with asyncio.timeout(_SECONDS):
        while not holds():  # noqa: ASYNC110 - what it waits for is looked at, not told
            await asyncio.sleep(0.01)


async def consume(
    queue: AbstractQueue, handle: Callable[[AbstractIncomingMessage], Any], messages: int
) -> None:
    """Give *messages* of *queue* to *handle*."""
    done: list[None] = []

    async def on_message(message: AbstractIncomingMessage) -> None:
        try:
            await handle(message)
        finally:
            done.append(None)

    tag = await queue.consume(on_message)
    await until(lambda: len(done) == messages)
    await asyncio.sleep(0)
    await queue.cancel(tag)


def work(name: str = "work") -> None:
    """Do something that the application has a span for."""
    with TRACER.start_as_current_span(name):
        pass


def failures(otel: Telemetry) -> dict[Any, float]:
    """Return how many messages were processed, by what went wrong."""
    return counted(otel, PROCESSED, "error.type")


# ---- publishing


@either
def test_a_publish_is_one_span(otel: Telemetry, broker: Broker, connect: Connect) -> None:
    """One publish has one PRODUCER span, whose id is in the message."""
    queue = broker.queue()

    async def publish() -> None:
        async with connected(broker.url, connect) as channel:
            await send(channel, queue, b"a body")

    asyncio.run(publish())

    sent = broker.take(queue).headers["traceparent"].split("-")
    [span] = of_kind(otel, "PRODUCER")
    assert (span.name, span.span_id) == (f"publish {queue}", sent[2])
    assert counted(otel, SENT, DESTINATION, "error.type") == {(queue, None): 1}
    assert counted(otel, CONFIRMS, DESTINATION, CONFIRMATION) == {(queue, "ack"): 1}


def test_a_message_stays_as_it_is(otel: Telemetry, broker: Broker) -> None:
    """What is published has headers of its own; its message can be published again."""
    queue = broker.queue()
    message = aio_pika.Message(b"", headers={"kind": "order"}, message_id="7")

    async def publish() -> None:
        async with connected(broker.url) as channel:
            for _ in range(2):
                await channel.default_exchange.publish(message, queue)

    asyncio.run(publish())

    taken = [broker.take(queue) for _ in range(2)]
    assert message.headers == {"kind": "order"}
    assert [properties.headers["kind"] for properties in taken] == ["order"] * 2
    assert [properties.headers["traceparent"].split("-")[2] for properties in taken] == [
        span.span_id for span in of_kind(otel, "PRODUCER")
    ]
    assert {span.attributes["messaging.message.id"] for span in otel.spans} == {"7"}


@pytest.mark.parametrize("raises", [True, False], ids=["raised", "given back"])
def test_a_message_that_no_queue_wants_is_returned(
    otel: Telemetry, broker: Broker, raises: bool
) -> None:
    """An unroutable message is an error of its span, whether the program is told or not."""

    async def publish() -> None:
        async with connected(broker.url, on_return_raises=raises) as channel:
            expected = pytest.raises(PublishError) if raises else contextlib.nullcontext()
            with expected:
                await send(channel, "nobody", b"")

    asyncio.run(publish())

    assert otel.span("publish nobody").attributes["error.type"] == "returned"
    assert counted(otel, CONFIRMS, CONFIRMATION) == {"returned": 1}


def test_a_message_that_comes_back_without_confirms_is_counted(
    otel: Telemetry, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """Without confirms a message is sent when it is written; that it came back is still known."""

    async def publish() -> None:
        async with connected(broker.url, publisher_confirms=False) as channel:
            await send(channel, "nobody", b"")
            await until(lambda: CONFIRMS in otel.metrics)

    asyncio.run(publish())

    assert counted(otel, SENT, "error.type") == {None: 1}
    assert counted(otel, CONFIRMS, CONFIRMATION) == {"returned": 1}
    assert caplog.text.count("Unhandled message") == 1  # aiormq's word on it


def test_a_message_that_the_broker_refuses_is_not_sent(otel: Telemetry, broker: Broker) -> None:
    """A negative confirm is the outcome of the publish."""
    queue = broker.queue({"x-max-length": 1, "x-overflow": "reject-publish"})

    async def publish() -> None:
        async with connected(broker.url) as channel:
            await send(channel, queue, b"")
            with pytest.raises(DeliveryError):
                await send(channel, queue, b"")

    asyncio.run(publish())

    assert counted(otel, SENT, "error.type") == {None: 1, "nack": 1}
    assert counted(otel, CONFIRMS, CONFIRMATION) == {"ack": 1, "nack": 1}


def test_a_channel_that_the_broker_closes_leaves_no_confirm(
    otel: Telemetry, broker: Broker
) -> None:
    """Publishing to an exchange that is not there ends the channel, and no answer comes."""

    async def publish() -> None:
        async with connected(broker.url) as channel:
            exchange = await channel.get_exchange("absent", ensure=False)
            with pytest.raises(aiormq.ChannelNotFoundEntity):
                await exchange.publish(aio_pika.Message(b""), "key")

    asyncio.run(publish())

    assert otel.span("publish absent:key").attributes["error.type"] == "lost"
    assert counted(otel, CONFIRMS, CONFIRMATION) == {"lost": 1}


def test_what_cannot_be_written_says_why(otel: Telemetry, broker: Broker) -> None:
    """A message that never left has the class of the exception."""

    async def publish() -> None:
        async with connected(broker.url) as channel:
            with pytest.raises(ValueError, match="Routing key too long"):
                await send(channel, "k" * 256, b"")

    asyncio.run(publish())

    assert counted(otel, SENT, "error.type") == {"ValueError": 1}
    assert CONFIRMS not in otel.metrics


def test_a_transaction_goes_on_as_ever(otel: Telemetry, broker: Broker) -> None:
    """What is published in a transaction is sent; nothing is confirmed."""
    queue = broker.queue()

    async def publish() -> None:
        options: dict[str, Any] = {"publisher_confirms": False}
        async with connected(broker.url, **options) as channel, channel.transaction():
            await send(channel, queue, b"")

    asyncio.run(publish())

    assert "traceparent" in broker.take(queue).headers
    assert counted(otel, SENT, "error.type") == {None: 1}


# ---- handlers


@either
def test_a_handler_runs_in_its_messages_span(
    otel: Telemetry, broker: Broker, connect: Connect
) -> None:
    """Work of an asynchronous handler lies in a CONSUMER span of the sender's trace."""
    name = broker.queue()
    headers: list[Any] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        headers.append(message.headers["traceparent"])
        async with message.process():
            await asyncio.sleep(0)
            work()

    async def run() -> None:
        async with connected(broker.url, connect) as channel:
            await send(channel, name, b"")
            await consume(await channel.get_queue(name), handle, 1)

    asyncio.run(run())

    process = by_id(otel, otel.span("work").parent_id)
    assert (process.name, process.kind) == (f"process {name}", "CONSUMER")
    assert follows(process, headers[0])
    assert process.attributes[SETTLEMENT] == "ack"
    assert failures(otel) == {None: 1}


@pytest.mark.filterwarnings("ignore:You probably registering:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Function .* returned a non awaitable:DeprecationWarning")
def test_a_handler_may_be_no_coroutine(otel: Telemetry, broker: Broker) -> None:
    """A plain function as handler runs in its message's span too."""
    name = broker.queue()
    handled: list[object] = []

    def handle(message: AbstractIncomingMessage) -> None:
        work()
        handled.append(message)

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")
            queue = await channel.get_queue(name)
            await queue.consume(handle, no_ack=True)  # type: ignore[arg-type]
            await until(lambda: bool(handled))
            await asyncio.sleep(0)
            assert otel.metric(UNSETTLED).value({QUEUE: name}) == 0

    asyncio.run(run())

    assert by_id(otel, otel.span("work").parent_id).kind == "CONSUMER"


def test_a_handlers_failure_is_that_of_its_span(
    otel: Telemetry, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """What a handler raises is recorded, counted and raised."""
    name = broker.queue()

    async def handle(_message: AbstractIncomingMessage) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")
            await consume(await channel.get_queue(name), handle, 1)

    asyncio.run(run())

    process = otel.span(f"process {name}")
    assert [event.attributes["exception.type"] for event in process.events] == ["ZeroDivisionError"]
    assert process.status == "ERROR"
    assert failures(otel) == {"ZeroDivisionError": 1}
    assert "Consumer callback failed" in caplog.text  # aiormq got it


def test_handlers_at_once_do_not_mix(otel: Telemetry, broker: Broker) -> None:
    """Each of ten handlers that run at the same time works in the trace of its own message."""
    name = broker.queue()
    together = asyncio.Barrier(10)
    headers: dict[str, Any] = {}

    async def handle(message: AbstractIncomingMessage) -> None:
        async with message.process():
            await together.wait()
            headers[message.body.decode()] = message.headers["traceparent"]
            await asyncio.create_task(later(message.body.decode()))

    async def later(name: str) -> None:
        await asyncio.sleep(0)
        work(name)

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, *(b"work %d" % each for each in range(10)))
            await consume(await channel.get_queue(name), handle, 10)

    asyncio.run(run())

    assert [
        follows(by_id(otel, otel.span(f"work {each}").parent_id), headers[f"work {each}"])
        for each in range(10)
    ] == [True] * 10


def test_a_message_without_trace_begins_one(otel: Telemetry, broker: Broker) -> None:
    """A handler has nothing to do with the trace in which its channel was once opened."""
    name = broker.queue()
    broker.publish(name)

    async def run() -> None:
        with TRACER.start_as_current_span("start"):
            async with connected(broker.url) as channel:
                await consume(await channel.get_queue(name), lambda message: message.ack(), 1)

    asyncio.run(run())

    process = otel.span(f"process {name}")
    assert process.parent_id == ""
    assert process.trace_id != otel.span("start").trace_id


# ---- loops


async def break_off(queue: Any) -> None:
    """Leave a loop after its first message, with nothing around it."""
    async for message in queue:
        work()
        await message.ack()
        break


async def return_from(queue: Any) -> None:
    """Leave a loop as a function does that found what it looked for."""

    async def first() -> object:
        async for message in queue.iterator():
            work()
            await message.ack()
            return message.body
        return None

    assert await first() == b"1"


async def fail(queue: Any) -> None:
    """Leave a loop by an exception."""
    with contextlib.suppress(ZeroDivisionError):
        async for message in queue:
            async with message.process():
                work()
                raise ZeroDivisionError


async def close(queue: Any) -> None:
    """Leave a loop since another task closes its iterator."""
    async with queue.iterator() as messages:
        async for message in messages:
            work()
            await message.ack()
            await asyncio.create_task(messages.close())
            work("still in the loop")


async def time_out(queue: Any) -> None:
    """Leave a loop since no other message comes."""
    with contextlib.suppress(TimeoutError):
        async for message in queue.iterator(timeout=0.2):
            work()
            await message.ack()


async def cancel(queue: Any) -> None:
    """Leave a loop since its task is cancelled while it waits."""

    async def loop() -> None:
        async for message in queue:
            work()
            await message.ack()

    task = asyncio.create_task(loop())
    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@either
@pytest.mark.parametrize("leave", [break_off, return_from, fail, close, time_out, cancel])
def test_a_loops_span_ends_with_it(
    otel: Telemetry,
    broker: Broker,
    connect: Connect,
    leave: Callable[[Any], Awaitable[None]],
) -> None:
    """However a loop ends, its work is in the message's span, and what follows is not."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url, connect) as channel:
            await send(channel, name, b"1")
            await leave(await channel.get_queue(name))
            work("after")
            await asyncio.sleep(0)

    asyncio.run(run())

    process = otel.span(f"process {name}")
    assert otel.span("work").parent_id == process.span_id
    assert otel.span("after").parent_id == ""
    assert follows(process, "00-{0.trace_id}-{0.span_id}-01".format(otel.span(f"publish {name}")))
    assert failures(otel) == {"ZeroDivisionError" if leave is fail else None: 1}
    if leave is close:
        assert otel.span("still in the loop").parent_id == process.span_id


def test_a_failure_that_a_loop_survives_is_seen(otel: Telemetry, broker: Broker) -> None:
    """What leaves message.process() failed, also if the loop goes on with the next message."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"bad", b"good")
            queue = await channel.get_queue(name)
            async with queue.iterator() as messages:
                async for message in messages:
                    with contextlib.suppress(ZeroDivisionError):
                        async with message.process():
                            if message.body == b"bad":
                                raise ZeroDivisionError
                            break

    asyncio.run(run())

    assert failures(otel) == {"ZeroDivisionError": 1, None: 1}
    assert counted(otel, SETTLED, SETTLEMENT) == {"reject": 1, "ack": 1}


def test_a_failure_that_ends_the_program_is_seen(otel: Telemetry, broker: Broker) -> None:
    """An exception that nobody holds up, in a loop with nothing around it, is the message's."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")

            async def loop(queue: Any) -> None:
                async for _message in queue:
                    raise ZeroDivisionError

            task = asyncio.create_task(loop(await channel.get_queue(name)))
            with pytest.raises(ZeroDivisionError):
                await task

    asyncio.run(run())

    assert failures(otel) == {"ZeroDivisionError": 1}


def test_asking_for_the_next_one_may_have_a_limit(otel: Telemetry, broker: Broker) -> None:
    """A program that asks an iterator itself, and waits in another task, is measured too."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"1", b"2")
            queue = await channel.get_queue(name)
            async with queue.iterator() as messages:
                for _ in range(2):
                    message = await asyncio.wait_for(anext(messages), _SECONDS)
                    await message.ack()
            work("after")

    asyncio.run(run())

    assert counted(otel, PROCESSED, QUEUE) == {name: 2}
    assert otel.span("after").parent_id == ""


def test_a_failure_without_a_loop_is_seen(otel: Telemetry, broker: Broker) -> None:
    """Who asks an iterator himself and never again has told of a failure all the same."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")
            queue = await channel.get_queue(name)
            message = await anext(queue.iterator())
            with contextlib.suppress(ZeroDivisionError):
                async with message.process():
                    raise ZeroDivisionError
            work("after")

    asyncio.run(run())

    assert failures(otel) == {"ZeroDivisionError": 1}
    assert otel.span(f"process {name}").attributes[SETTLEMENT] == "reject"
    assert otel.span("after").parent_id == ""


def test_a_loop_in_a_loop_has_its_own_span(otel: Telemetry, broker: Broker) -> None:
    """After an inner loop the work is the outer message's again."""
    outer, inner = broker.queue(), broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, outer, b"")
            await send(channel, inner, b"")
            messages: Any = await channel.get_queue(outer)
            async for message in messages:
                await break_off(await channel.get_queue(inner))
                work("outer")
                await message.ack()
                break
            work("after")

    asyncio.run(run())

    assert otel.span("work").parent_id == otel.span(f"process {inner}").span_id
    assert otel.span("outer").parent_id == otel.span(f"process {outer}").span_id
    assert otel.span("after").parent_id == ""


def test_a_loop_in_a_generator_ends_when_that_is_closed(otel: Telemetry, broker: Broker) -> None:
    """A generator over a loop passes its messages on in their spans, until it is closed."""
    name = broker.queue()

    async def bodies(queue: Any) -> AsyncGenerator[bytes, None]:
        async for message in queue:
            yield message.body
            await message.ack()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"1", b"2")
            async with contextlib.aclosing(bodies(await channel.get_queue(name))) as found:
                async for body in found:
                    work(body.decode())
                    if body == b"2":
                        break
            work("after")
            await asyncio.sleep(0)

    asyncio.run(run())

    processes = [span for span in otel.spans if span.kind == "CONSUMER"]
    works = [otel.span("1"), otel.span("2")]
    assert [span.span_id for span in processes] == [span.parent_id for span in works]
    assert otel.span("after").parent_id == ""


def test_a_loops_iterator_is_taken_for_the_librarys(broker: Broker) -> None:
    """What a loop gets is an iterator with all that aio-pika's has."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url, aio_pika.connect_robust) as channel:
            queue: Any = await channel.get_queue(name)
            messages: Any = aiter(queue)
            taken_for = type(messages), isinstance(messages, RobustQueueIterator)
            assert taken_for == (Iteration, True)
            async with messages as entered:
                assert entered.consumer_tag == messages.consumer_tag
            await messages.close()

    asyncio.run(run())


def test_a_remote_call_is_one_trace(otel: Telemetry, broker: Broker) -> None:
    """aio-pika's own pattern for calls: there and back in the caller's trace."""

    async def double(*, number: int) -> int:
        work()
        return number * 2

    async def run() -> None:
        async with connected(broker.url, aio_pika.connect_robust) as channel:
            rpc = await RPC.create(channel)
            await rpc.register("double", double, auto_delete=True)
            with TRACER.start_as_current_span("call"):
                assert await rpc.proxy.double(number=21) == 42
            await rpc.close()

    asyncio.run(run())

    call = otel.span("call")
    in_trace = [span.kind for span in otel.spans if span.trace_id == call.trace_id]
    assert sorted(in_trace) == ["CONSUMER", "CONSUMER", "INTERNAL", "INTERNAL"] + ["PRODUCER"] * 2
    assert otel.span("work").trace_id == call.trace_id


# ---- getting, settling


def test_a_get_is_a_span_and_its_settling_another(otel: Telemetry, broker: Broker) -> None:
    """A message that is fetched is acknowledged below its span; an empty queue has no span."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")
            queue = await channel.get_queue(name)
            message = await queue.get()
            assert otel.metric(UNSETTLED).value({QUEUE: name}) == 1
            await message.ack()
            with pytest.raises(QueueEmpty):
                await queue.get()
            assert await queue.get(fail=False) is None

    asyncio.run(run())

    get = otel.span(f"get {name}")
    assert otel.span(f"ack {name}").parent_id == get.span_id
    assert len(otel.spans) == 3
    assert counted(otel, "messaging.client.consumed.messages", QUEUE) == {name: 1}


def test_settling_later_is_a_span_below(otel: Telemetry, broker: Broker) -> None:
    """What another task settles after the handler is a span in the message's trace."""
    name = broker.queue()
    tasks: list[asyncio.Task[None]] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        async def settle() -> None:
            await asyncio.sleep(0.1)
            await message.nack(requeue=False)

        tasks.append(asyncio.create_task(settle()))

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")
            await consume(await channel.get_queue(name), handle, 1)
            await tasks[0]

    asyncio.run(run())

    process, nack = otel.span(f"process {name}"), otel.span(f"nack {name}")
    assert nack.parent_id == process.span_id
    assert nack.attributes[SETTLEMENT] == "reject"
    assert SETTLEMENT not in process.attributes


def test_several_are_settled_at_once(otel: Telemetry, broker: Broker) -> None:
    """An ack of all up to one counts each; who holds them is seen until then."""
    name = broker.queue()
    held: list[AbstractIncomingMessage] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        held.append(message)

    async def run() -> None:
        async with connected(broker.url) as channel:
            await channel.set_qos(prefetch_count=7)
            await send(channel, name, b"1", b"2", b"3")
            queue = await channel.get_queue(name)
            tag = await queue.consume(handle)
            await until(lambda: len(held) == 3)
            assert otel.metric(UNSETTLED).value({QUEUE: name}) == 3
            assert otel.metric("messaging.rabbitmq.prefetch").value({QUEUE: name}) == 7
            await held[1].ack(multiple=True)
            assert otel.metric(UNSETTLED).value({QUEUE: name}) == 1
            await held[2].reject(requeue=True)
            await queue.cancel(tag)

    asyncio.run(run())

    assert counted(otel, SETTLED, SETTLEMENT) == {"ack": 2, "requeue": 1}


async def _ack_twice(message: AbstractIncomingMessage) -> None:
    async with message.process(ignore_processed=True):
        await message.ack()


async def _requeue(message: AbstractIncomingMessage) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with message.process(requeue=True, reject_on_redelivered=True):
            raise ZeroDivisionError


async def _turn_down(message: AbstractIncomingMessage) -> None:
    await message.reject()


@pytest.mark.parametrize(
    ("handle", "messages", "settled", "failed"),
    [
        (_ack_twice, 1, {"ack": 1}, {None: 1}),
        (_requeue, 2, {"requeue": 1, "reject": 1}, {"ZeroDivisionError": 2}),
        (_turn_down, 1, {"reject": 1}, {"reject": 1}),
    ],
)
def test_the_outcome_is_what_the_handler_did(  # noqa: PLR0913, PLR0917 - one table of facts
    otel: Telemetry,
    broker: Broker,
    handle: Callable[[AbstractIncomingMessage], Any],
    messages: int,
    settled: dict[str, int],
    failed: dict[str | None, int],
) -> None:
    """Acknowledged, sent back or turned down, once per delivery."""
    name = broker.queue()

    async def run() -> None:
        async with connected(broker.url) as channel:
            await send(channel, name, b"")
            await consume(await channel.get_queue(name), handle, messages)

    asyncio.run(run())

    assert counted(otel, SETTLED, SETTLEMENT) == settled
    assert failures(otel) == failed


# ---- left alone


def test_without_telemetry_all_goes_on(otel: Telemetry, broker: Broker) -> None:
    """Where instrumentation is suppressed, messages are sent, got and handled as ever."""
    name = broker.queue()
    handled: list[Any] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        handled.append(message.headers)
        await message.ack()

    async def run() -> None:
        async with connected(broker.url) as channel:
            queue: Any = await channel.get_queue(name)
            with suppress_instrumentation():
                await send(channel, name, b"")
                await consume(queue, handle, 1)
                await send(channel, name, b"", b"")
                handled.append((await queue.get(no_ack=True)).headers)
                async for message in queue:
                    handled.append(message.headers)
                    break

    asyncio.run(run())

    assert handled == [{}] * 3
    assert otel.spans == []


@pytest.fixture
def before() -> Iterator[dict[type, dict[str, object]]]:
    """What stands in all classes of both libraries, before anything is instrumented."""
    AioPikaInstrumentor().uninstrument()
    yield _classes()
    AioPikaInstrumentor().instrument(skip_dep_check=True)


def _classes() -> dict[type, dict[str, object]]:
    modules = (
        aiormq.base,
        aiormq.channel,
        aiormq.connection,
        aio_pika.message,
        aio_pika.queue,
        aio_pika.robust_queue,
        aio_pika.exchange,
        aio_pika.channel,
        aio_pika.connection,
    )
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    # What an abstract class remembers of questions that were asked is no part of it.
    return {
        each: {name: value for name, value in vars(each).items() if name != "_abc_impl"}
        for each in found
    }


def test_the_libraries_are_left_as_they_were(before: dict[type, dict[str, object]]) -> None:
    """After uninstrumenting every class of both has just what it had."""
    instrumentor = AioPikaInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    assert _classes() != before
    instrumentor.uninstrument()

    assert _classes() == before


def test_a_consumer_that_goes_on_is_no_longer_measured(otel: Telemetry, broker: Broker) -> None:
    """After uninstrumenting, a handler that was there before gets messages as if always alone."""
    name = broker.queue()
    handled: list[bytes] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        handled.append(message.body)
        await message.ack()

    async def run() -> None:
        async with connected(broker.url) as channel:
            queue = await channel.get_queue(name)
            await queue.consume(handle)
            AioPikaInstrumentor().uninstrument()
            try:
                await send(channel, name, b"alone")
                await until(lambda: handled == [b"alone"])
            finally:
                AioPikaInstrumentor().instrument(skip_dep_check=True)

    asyncio.run(run())

    assert otel.spans == []


def test_nothing_is_kept_of_what_is_gone(broker: Broker) -> None:
    """Channels, connections and iterators that are no longer used can be thrown away."""
    name = broker.queue()

    async def run() -> list[weakref.ref[Any]]:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await send(channel, name, b"")
            queue = await channel.get_queue(name)
            await consume(queue, lambda message: message.ack(), 1)
            await send(channel, name, b"", b"")
            messages = queue.iterator()
            await anext(messages)
            await fail(messages)
            assert connection.transport is not None
            underlay = await channel.get_underlay_channel()
            kept = (underlay, connection.transport.connection, messages)
            return [weakref.ref(each) for each in kept]

    gone = asyncio.run(run())
    gc.collect()

    assert [each() for each in gone] == [None] * 3
