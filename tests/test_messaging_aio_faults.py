# SPDX-License-Identifier: Apache-2.0
"""What a client of aio-pika says of a broker, a network and a channel that fail."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from otel_setup.testing import Telemetry
from tests.amqp_gaps import counted, ours
from tests.broker import Broker
from tests.tcp_proxy import Proxy

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("instrumentation"),
    ours("aio_pika"),
]

QUEUE = "messaging.rabbitmq.queue.name"
LOSSES, LOSS = "messaging.rabbitmq.consumer.losses", "messaging.rabbitmq.loss.reason"
CLOSES, CLOSE = "messaging.rabbitmq.connection.closes", "messaging.rabbitmq.close.reason"
OPENS = "messaging.rabbitmq.connection.opens"
CONNECTIONS = "messaging.rabbitmq.connections"
CONSUMERS, STATE = "messaging.rabbitmq.consumers", "messaging.rabbitmq.consumer.state"
CONFIRMS, CONFIRMATION = (
    "messaging.rabbitmq.confirm.duration",
    "messaging.rabbitmq.confirmation",
)
BLOCKED = "messaging.rabbitmq.connection.blocked"
BLOCKED_TIME = "messaging.rabbitmq.connection.blocked.time"
UNCONFIRMED = "messaging.rabbitmq.unconfirmed.messages"
UNCONFIRMED_AGE = "messaging.rabbitmq.unconfirmed.age"
SENT = "messaging.client.sent.messages"

Connect = Callable[..., Any]


async def until(holds: Callable[[], bool], what: str, seconds: float = 40.0) -> None:
    """Wait until *holds* is true; *what* says so in words."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - what it waits for is looked at, not told
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"waited {seconds:g} s in vain until {what}")


class Client:
    """A program that consumes from *queue*; it keeps what it got."""

    def __init__(self, channel: AbstractChannel, queue: str) -> None:
        self.channel = channel
        self.queue = queue
        self.handled: list[bytes] = []

    async def consume(self) -> None:
        """Begin to consume."""
        queue = await self.channel.get_queue(self.queue)
        await queue.consume(self._handle)

    async def send(self, body: bytes, **options: Any) -> None:
        """Publish a message to its own queue."""
        await self.channel.default_exchange.publish(aio_pika.Message(body), self.queue, **options)

    async def _handle(self, message: AbstractIncomingMessage) -> None:
        await message.ack()
        self.handled.append(message.body)


@contextlib.asynccontextmanager
async def consuming(
    url: str, queue: str, connect: Connect = aio_pika.connect
) -> AsyncIterator[Client]:
    """Yield a program that consumes from *queue* already."""
    options = {"reconnect_interval": 0.2} if connect is aio_pika.connect_robust else {}
    connection = await connect(url, **options)
    try:
        client = Client(await connection.channel(), queue)
        await client.consume()
        yield client
    finally:
        await connection.close()


def closes(otel: Telemetry) -> dict[Any, float]:
    """Return how many connections ended, by the reason."""
    return counted(otel, CLOSES, CLOSE) if CLOSES in otel.metrics else {}


def consumers(otel: Telemetry, queue: str) -> dict[str, float]:
    """Return how many consumers of *queue* are shown now, by what they do."""
    metrics = otel.metrics  # a gauge with nothing to show is absent
    points = metrics[CONSUMERS].points if CONSUMERS in metrics else ()
    return {
        str(point.labels[STATE]): point.value
        for point in points
        if point.labels[QUEUE] == queue and point.value
    }


def test_a_connection_opens_and_closes(otel: Telemetry, broker: Broker) -> None:
    """A client that ends what it began has lost nothing."""
    queue = broker.queue()

    async def run() -> None:
        async with consuming(broker.url, queue) as client:
            await client.send(b"1")
            await until(lambda: client.handled == [b"1"], "the message is handled")
            assert otel.metric(CONNECTIONS).value() == 1
            assert consumers(otel, queue) == {"consuming": 1}

    asyncio.run(run())

    assert otel.metric(CONNECTIONS).value() == 0
    assert counted(otel, OPENS, "error.type") == {None: 1}
    assert closes(otel) == {"client": 1}
    assert counted(otel, LOSSES, LOSS) == {}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_program_that_just_ends_has_lost_nothing(otel: Telemetry, broker: Broker) -> None:
    """An event loop that ends with a connection in it is no failure."""
    queue = broker.queue()

    async def run() -> None:
        connection = await aio_pika.connect(broker.url)
        client = Client(await connection.channel(), queue)
        await client.consume()

    asyncio.run(run())
    gc.collect()  # aio-pika leaves a task behind, which asyncio complains about

    assert closes(otel).keys() <= {"client"}
    assert counted(otel, LOSSES, LOSS) == {}


def test_a_connection_that_is_refused_is_counted(otel: Telemetry, broker: Broker) -> None:
    """No connection says why: nobody listens, or the password is wrong."""
    with Proxy(broker.port) as network:
        free = network.port
    url = broker.url.replace(broker.password, "wrong")

    async def run() -> None:
        with pytest.raises(aiormq.AMQPConnectionError):
            await aio_pika.connect(broker.url_at(free))
        with pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
            await aio_pika.connect(url)

    asyncio.run(run())

    assert counted(otel, OPENS, "error.type") == {
        "ConnectionRefusedError": 1,
        "ProbableAuthenticationError": 1,
    }
    assert closes(otel) == {}


def close_by_management(broker: Broker, _network: Proxy) -> None:
    """Have an operator end every connection."""
    for connection in broker.api("connections"):
        name = urllib.parse.quote(connection["name"], safe="")
        broker.api(f"connections/{name}", method="DELETE")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (close_by_management, "broker"),
        (lambda _broker, network: network.reset(), "lost"),
        (lambda _broker, network: network.freeze(), "heartbeat"),
    ],
    ids=["closed", "reset", "frozen"],
)
def test_a_robust_connection_comes_back(
    otel: Telemetry, broker: Broker, fault: Callable[[Broker, Proxy], None], reason: str
) -> None:
    """It ends for that reason, its consumer is lost and begins anew, and nobody is deaf."""
    queue = broker.queue()

    async def run(network: Proxy) -> None:
        url = broker.url_at(network.port, heartbeat=1)
        async with consuming(url, queue, aio_pika.connect_robust) as client:
            if reason == "broker":  # the management notices connections a little late
                await until(lambda: bool(broker.api("connections")), "the connection is known")
            await asyncio.to_thread(fault, broker, network)
            await until(lambda: bool(closes(otel)), "the end is noticed")
            network.thaw()
            await until(lambda: consumers(otel, queue) == {"consuming": 1}, "it consumes again")
            broker.publish(queue, b"after")
            await until(lambda: client.handled == [b"after"], "the message is handled")
            assert otel.metric(CONNECTIONS).value() == 1

    with Proxy(broker.port) as network:
        asyncio.run(run(network))

    assert closes(otel) == {reason: 1, "client": 1}
    assert counted(otel, OPENS, "error.type")[None] == 2
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "connection_lost"): 1}


def test_a_confirm_that_never_comes_is_told(otel: Telemetry, broker: Broker) -> None:
    """Who gives up waiting has a timeout; who waits until the connection ends has lost it."""
    queue = broker.queue()

    async def run(network: Proxy) -> None:
        connection = await aio_pika.connect(broker.url_at(network.port))
        client = Client(await connection.channel(), queue)
        await client.send(b"1")
        network.freeze()
        with pytest.raises(TimeoutError):
            await client.send(b"2", timeout=0.2)
        waiting = asyncio.create_task(client.send(b"3"))
        await asyncio.sleep(0.2)
        assert otel.metric(UNCONFIRMED).value() == 1
        assert otel.metric(UNCONFIRMED_AGE).value() >= 0.1
        network.reset()
        network.thaw()
        with pytest.raises((aiormq.AMQPError, asyncio.CancelledError)):
            await waiting
        await connection.close()

    with Proxy(broker.port) as network:
        asyncio.run(run(network))

    assert counted(otel, SENT, "error.type") == {None: 1, "timeout": 1, "lost": 1}
    assert counted(otel, CONFIRMS, CONFIRMATION) == {"ack": 1, "timeout": 1, "lost": 1}


def test_a_blocked_publisher_is_seen_waiting(otel: Telemetry, broker: Broker) -> None:
    """Under the memory alarm a message waits unconfirmed, and the seconds are counted."""
    queue = broker.queue()

    async def run() -> None:
        async with consuming(broker.url, queue) as client:
            await client.send(b"1")
            await asyncio.to_thread(broker.alarm, True)
            try:
                waiting = asyncio.create_task(client.send(b"2"))
                await until(lambda: otel.metric(BLOCKED).value() == 1, "it is blocked")
                await asyncio.sleep(0.5)
                assert otel.metric(UNCONFIRMED).value() == 1
                assert otel.metric(BLOCKED_TIME).value() >= 0.4
            finally:
                await asyncio.to_thread(broker.alarm, False)
            await waiting
            await until(lambda: otel.metric(BLOCKED).value() == 0, "it is blocked no more")

    asyncio.run(run())

    assert counted(otel, CONFIRMS, CONFIRMATION) == {"ack": 2}


def test_a_channel_that_the_broker_closes_makes_deaf(otel: Telemetry, broker: Broker) -> None:
    """The connection lives, its consumer is gone; a new one ends that."""
    queue = broker.queue()

    async def run() -> None:
        async with consuming(broker.url, queue) as client:
            absent = await client.channel.get_exchange("absent", ensure=False)
            with pytest.raises(aiormq.ChannelNotFoundEntity):
                await absent.publish(aio_pika.Message(b""), "key")
            await until(lambda: consumers(otel, queue) == {"deaf": 1}, "nobody consumes")
            client.channel = await client.channel._connection.channel()  # type: ignore[attr-defined]
            await client.consume()
            assert consumers(otel, queue) == {"consuming": 1}

    asyncio.run(run())

    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "channel_closed"): 1}
    assert closes(otel) == {"client": 1}


def test_a_robust_channel_is_deaf_for_a_moment_only(otel: Telemetry, broker: Broker) -> None:
    """A robust channel that the broker closes begins anew, with its consumer."""
    queue = broker.queue()

    async def run() -> None:
        async with consuming(broker.url, queue, aio_pika.connect_robust) as client:
            absent = await client.channel.get_exchange("absent", ensure=False)
            with pytest.raises(aiormq.ChannelNotFoundEntity):
                await absent.publish(aio_pika.Message(b""), "key")
            await until(lambda: bool(counted(otel, LOSSES, LOSS)), "the consumer is lost")
            await until(lambda: consumers(otel, queue) == {"consuming": 1}, "it consumes again")

    asyncio.run(run())

    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "channel_closed"): 1}


def test_a_queue_that_is_deleted_makes_deaf(otel: Telemetry, broker: Broker) -> None:
    """The broker ends the consumers of a queue that it deletes."""
    queue = broker.queue()

    async def run() -> None:
        async with consuming(broker.url, queue):
            await asyncio.to_thread(broker.delete, queue)
            await until(lambda: consumers(otel, queue) == {"deaf": 1}, "nobody consumes")

    asyncio.run(run())

    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "cancelled"): 1}


def test_a_handler_that_is_cut_off_has_not_settled(otel: Telemetry, broker: Broker) -> None:
    """A connection that ends takes the handler with it; its message comes again."""
    queue = broker.queue()
    settled = "messaging.rabbitmq.settled.messages"
    arrived: list[bool | None] = []

    async def handle(message: AbstractIncomingMessage) -> None:
        arrived.append(message.redelivered)
        async with message.process():
            if not message.redelivered:
                await asyncio.Event().wait()

    async def run(network: Proxy) -> None:
        connection = await aio_pika.connect_robust(
            broker.url_at(network.port), reconnect_interval=0.2
        )
        async with connection:
            channel = await connection.channel()
            await (await channel.get_queue(queue)).consume(handle)
            broker.publish(queue)
            await until(lambda: arrived == [False], "the handler works")
            network.reset()
            await until(lambda: bool(counted(otel, settled, QUEUE)), "the message is settled")

    with Proxy(broker.port) as network:
        asyncio.run(run(network))

    assert arrived == [False, True]
    assert counted(otel, settled, "messaging.rabbitmq.settlement") == {"ack": 1}
    assert counted(otel, "messaging.rabbitmq.redelivered.messages", QUEUE) == {queue: 1}
    assert counted(otel, "messaging.process.duration", "error.type") == {
        "CancelledError": 1,
        None: 1,
    }
