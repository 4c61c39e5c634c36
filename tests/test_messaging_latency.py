# SPDX-License-Identifier: Apache-2.0
"""
How long messages wait, on a real broker, whatever their publishers' clocks say.

A busy machine lets them wait longer, so the upper bound is what the test itself measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from otel_setup.testing import Point, Telemetry
from tests.amqp_gaps import counted, gap, ours
from tests.broker import Broker, plain_pika, until

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("instrumentation")]

QUEUE = "messaging.rabbitmq.queue.name"
DURATION = "messaging.rabbitmq.queue.duration"
CLOCK, REDELIVERED = "messaging.rabbitmq.clock", "messaging.rabbitmq.redelivered"
SKEWS, SKEW = "messaging.rabbitmq.clock.skews", "messaging.rabbitmq.clock.skew"
#: Ours, in nanoseconds; the broker's, in milliseconds.
STAMP, BROKERS_STAMP = "x-otel-published-at", "timestamp_in_ms"


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """What it shows."""
        return time.monotonic() - self._start


@contextlib.contextmanager
def connected(broker: Broker) -> Iterator[BlockingChannel]:
    """Yield a channel of the pika that is instrumented."""
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def take(channel: BlockingChannel, queue: str, settle: str = "ack") -> Any:
    """Handle one message of *queue* and *settle* it: ack, requeue or reject; return properties."""
    handled: list[Any] = []

    def on_message(_channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        if handled:
            return  # it came again before the consumer was gone
        handled.append(properties)
        if settle == "ack":
            channel.basic_ack(method.delivery_tag)
        else:
            channel.basic_nack(method.delivery_tag, requeue=settle == "requeue")

    channel.basic_qos(prefetch_count=1)
    tag = channel.basic_consume(queue, on_message)

    def came() -> bool:
        channel.connection.process_data_events(0.02)
        return bool(handled)

    until(came, "a message comes")
    channel.basic_cancel(tag)
    return handled[0]


def forge(broker: Broker, queue: str, /, **seconds: float) -> None:
    """Publish without telemetry, with stamps that are so many *seconds* old."""
    headers = {}
    now = time.time()
    if "publisher" in seconds:
        headers[STAMP] = int((now - seconds["publisher"]) * 1e9)
    if "broker" in seconds:
        headers[BROKERS_STAMP] = int((now - seconds["broker"]) * 1e3)
    broker.publish(queue, headers=headers)


def wait_of(otel: Telemetry, queue: str, **labels: str) -> Point:
    """Return how long messages of *queue* waited."""
    return otel.metric(DURATION).point({QUEUE: queue, **labels})


@gap("pika", "nobody knows how long a message waited")
def test_the_wait_is_measured(otel: Telemetry, broker: Broker) -> None:
    """A message that is held for two seconds waited for two seconds."""
    queue = broker.queue()
    with connected(broker) as channel:
        whole = Stopwatch()
        channel.basic_publish("", queue, b"")
        time.sleep(2)
        take(channel, queue)

    wait = wait_of(otel, queue)
    assert wait.value == 1
    assert 2 <= wait.sum <= whole.seconds
    assert (wait.labels[CLOCK], wait.labels[REDELIVERED]) == ("publisher", "false")
    assert counted(otel, SKEWS, SKEW) == {}


@ours("pika")
def test_a_message_that_is_fetched_waited_too(otel: Telemetry, broker: Broker) -> None:
    """A get measures the wait as a consumer does."""
    queue = broker.queue()
    with connected(broker) as channel:
        whole = Stopwatch()
        channel.basic_publish("", queue, b"")
        time.sleep(0.5)
        channel.basic_get(queue, auto_ack=True)

    assert 0.5 <= wait_of(otel, queue).sum <= whole.seconds


@ours("pika")
@pytest.mark.parametrize("ahead", [5, 3600])
def test_a_publisher_from_the_future_gives_no_negative_wait(
    otel: Telemetry, broker: Broker, ahead: int
) -> None:
    """A publisher whose clock is ahead has waits of 0, and its clock is counted as wrong."""
    queue = broker.queue()
    forge(broker, queue, publisher=-ahead)
    with connected(broker) as channel:
        take(channel, queue)

    assert (wait_of(otel, queue).value, wait_of(otel, queue).sum) == (1, 0)
    assert counted(otel, SKEWS, QUEUE, SKEW) == {(queue, "ahead"): 1}


@ours("pika")
@pytest.mark.parametrize("behind", [5, 3600])
def test_a_clock_behind_looks_like_waiting(otel: Telemetry, broker: Broker, behind: int) -> None:
    """Without the broker's stamp nobody can tell a publisher in the past from a long wait."""
    queue = broker.queue()
    whole = Stopwatch()
    forge(broker, queue, publisher=behind)
    with connected(broker) as channel:
        take(channel, queue)

    assert behind <= wait_of(otel, queue).sum <= behind + whole.seconds
    assert counted(otel, SKEWS, QUEUE, SKEW) == {}


@ours("pika")
@pytest.mark.parametrize(
    ("publisher", "skew"), [(-3600, "ahead"), (-5, "ahead"), (5, "behind"), (3600, "behind")]
)
def test_the_brokers_stamp_is_believed(
    otel: Telemetry, broker: Broker, publisher: int, skew: str
) -> None:
    """Where the broker stamps messages, no publisher's clock matters, and each wrong one counts."""
    queue = broker.queue()
    whole = Stopwatch()
    forge(broker, queue, publisher=publisher, broker=1)
    with connected(broker) as channel:
        take(channel, queue)

    wait = wait_of(otel, queue)
    assert wait.labels[CLOCK] == "broker"
    assert 1 <= wait.sum <= 1.001 + whole.seconds  # in whole milliseconds
    assert counted(otel, SKEWS, QUEUE, SKEW) == {(queue, skew): 1}


@ours("pika")
def test_a_stamp_of_the_broker_alone_is_enough(otel: Telemetry, broker: Broker) -> None:
    """A publisher without telemetry has its waits measured as well, where the broker stamps."""
    queue = broker.queue()
    whole = Stopwatch()
    forge(broker, queue, broker=2)
    with connected(broker) as channel:
        take(channel, queue)

    assert 2 <= wait_of(otel, queue).sum <= 2.001 + whole.seconds
    assert counted(otel, SKEWS, SKEW) == {}


@ours("pika")
def test_a_redelivery_counts_from_the_publishing(otel: Telemetry, broker: Broker) -> None:
    """What is sent back has a second wait, under a label of its own."""
    queue = broker.queue()
    with connected(broker) as channel:
        whole = Stopwatch()
        channel.basic_publish("", queue, b"")
        take(channel, queue, settle="requeue")
        first = whole.seconds
        time.sleep(0.5)
        take(channel, queue)

    assert 0 < wait_of(otel, queue, **{REDELIVERED: "false"}).sum <= first
    again = wait_of(otel, queue, **{REDELIVERED: "true"})
    assert again.value == 1
    assert 0.5 <= again.sum <= whole.seconds


@ours("pika")
def test_a_dead_letter_waits_since_its_death(otel: Telemetry, broker: Broker) -> None:
    """What died in one queue waits in the next one from then on, to the second."""
    dead = broker.queue()
    queue = broker.queue({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    with connected(broker) as channel:
        channel.basic_publish("", queue, b"")
        time.sleep(3)
        since_death = Stopwatch()
        take(channel, queue, settle="reject")
        time.sleep(0.5)
        take(channel, dead)

    wait = wait_of(otel, dead)
    assert wait.labels[CLOCK] == "death"
    assert 0.5 <= wait.sum <= 1 + since_death.seconds


@ours("pika")
def test_a_replay_waits_since_the_replay(otel: Telemetry, broker: Broker) -> None:
    """A dead letter that is published again with all its old headers begins to wait anew."""
    dead = broker.queue()
    queue = broker.queue({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    replayed = broker.queue()
    forge(broker, queue, publisher=3600, broker=3600)
    with connected(broker) as channel:
        take(channel, queue, settle="reject")
        properties = take(channel, dead)
        time.sleep(1.5)
        since_replay = Stopwatch()
        channel.basic_publish("", replayed, b"", properties)
        time.sleep(0.2)
        headers = take(channel, replayed).headers

    assert headers["x-death"][0]["queue"] == queue
    assert headers[BROKERS_STAMP] == properties.headers[BROKERS_STAMP]
    wait = wait_of(otel, replayed)
    assert wait.labels[CLOCK] == "publisher"
    assert 0.2 <= wait.sum <= since_replay.seconds


@ours("pika")
def test_a_publisher_without_telemetry_has_no_wait(otel: Telemetry, broker: Broker) -> None:
    """Where nobody stamps, there is no wait rather than a wrong one."""
    queue = broker.queue()
    stamp = plain_pika().BasicProperties(timestamp=int(time.time()) - 60)
    with broker.channel() as stranger:
        stranger.basic_publish("", queue, b"", stamp)
    with connected(broker) as channel:
        take(channel, queue)

    assert DURATION not in otel.metrics
    assert counted(otel, "messaging.client.consumed.messages", QUEUE) == {queue: 1}
