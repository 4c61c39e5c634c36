# SPDX-License-Identifier: Apache-2.0
"""What a client says of a broker, a network and a peer that fail, while nothing is lost."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pika
import pytest

from otel_setup.testing import Telemetry
from tests.amqp_gaps import counted, ours
from tests.amqp_programs.workers import Consumer, Publisher
from tests.broker import Broker, until
from tests.tcp_proxy import Proxy

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(180),
    pytest.mark.usefixtures("instrumentation"),
    ours("pika"),
]

QUEUE = "messaging.rabbitmq.queue.name"
LOSSES, LOSS = "messaging.rabbitmq.consumer.losses", "messaging.rabbitmq.loss.reason"
CLOSES, CLOSE = "messaging.rabbitmq.connection.closes", "messaging.rabbitmq.close.reason"
OPENS = "messaging.rabbitmq.connection.opens"
CONSUMERS, STATE = "messaging.rabbitmq.consumers", "messaging.rabbitmq.consumer.state"
CONFIRMS, CONFIRMATION = (
    "messaging.rabbitmq.confirm.duration",
    "messaging.rabbitmq.confirmation",
)
BLOCKED = "messaging.rabbitmq.connection.blocked"
BLOCKED_TIME = "messaging.rabbitmq.connection.blocked.time"
UNSETTLED = "messaging.rabbitmq.unsettled.messages"
UNCONFIRMED = "messaging.rabbitmq.unconfirmed.messages"
UNCONFIRMED_AGE = "messaging.rabbitmq.unconfirmed.age"

IDS = range(300)
_PAUSE = 0.01


def worked_off(publisher: Publisher, consumer: Consumer) -> Callable[[], bool]:
    """Return whether all ids are confirmed and handled."""
    return lambda: publisher.is_done and set(IDS) <= set(consumer.handled)


def state_of(otel: Telemetry, queue: str) -> dict[str, float]:
    """Return what is shown of *queue* now, zeros left out: its consumers, and what they hold."""
    found: dict[str, float] = {}
    metrics = otel.metrics  # a gauge with nothing to show is absent
    for gauge, label in ((CONSUMERS, STATE), (UNSETTLED, "")):
        for point in metrics[gauge].points if gauge in metrics else ():
            if point.labels[QUEUE] == queue and point.value:
                found[point.labels.get(label, "unsettled")] = point.value
    return found


@pytest.mark.parametrize(
    ("fault", "reason"), [(Broker.kill, "lost"), (Broker.stop, "broker")], ids=["killed", "stopped"]
)
def test_a_broker_that_ends_is_told_and_nothing_is_lost(
    otel: Telemetry, broker: Broker, fault: Callable[[Broker], None], reason: str
) -> None:
    """Both connections end for that reason, both come back, every confirmed message is handled."""
    queue = broker.queue()
    with (
        Consumer(broker.url, queue) as consumer,
        Publisher(broker.url, queue, IDS, _PAUSE) as publisher,
    ):
        until(lambda: len(publisher.confirmed) > 20, "messages flow")
        try:
            fault(broker)
            until(lambda: bool(publisher.losses and consumer.losses), "both have noticed")
        finally:
            broker.start()
        until(worked_off(publisher, consumer), "all messages are handled", 60)
        closes = counted(otel, CLOSES, CLOSE)

    assert publisher.confirmed == list(IDS)
    assert set(consumer.handled) == set(IDS)
    assert closes == {reason: 2}
    opens = counted(otel, OPENS, "error.type")
    assert opens.pop(None) == 4
    assert sum(opens.values()) == len(publisher.losses) + len(consumer.losses) - 2
    assert opens.keys() <= {"ConnectionRefusedError"}
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "connection_lost"): 1}
    _check_confirmations(otel, publisher)


def test_a_reset_connection_is_told_and_nothing_is_lost(otel: Telemetry, broker: Broker) -> None:
    """A TCP reset loses both connections; what was not confirmed in time is published again."""
    queue = broker.queue()
    with Proxy(broker.port) as network:
        url = broker.url_at(network.port)
        with Consumer(url, queue) as consumer, Publisher(url, queue, IDS, _PAUSE) as publisher:
            for messages in (50, 150):
                until(lambda: len(publisher.confirmed) > messages, "messages flow")  # noqa: B023
                network.reset()
            until(worked_off(publisher, consumer), "all messages are handled")
            closes = counted(otel, CLOSES, CLOSE)

    assert publisher.confirmed == list(IDS)
    assert set(consumer.handled) == set(IDS)
    assert closes == {"lost": 4}
    assert counted(otel, OPENS, "error.type") == {None: 6}
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "connection_lost"): 2}
    _check_confirmations(otel, publisher)


def test_a_network_that_swallows_everything_is_told(otel: Telemetry, broker: Broker) -> None:
    """Without heartbeats the connection is given up, and made anew when the network is back."""
    queue = broker.queue()
    with Proxy(broker.port) as network:
        url = broker.url_at(network.port, heartbeat=1)
        with Consumer(url, queue) as consumer:
            assert consumer.consuming.wait(10)
            network.freeze()
            until(lambda: bool(consumer.losses), "the silence is noticed")
            network.thaw()
            broker.publish(queue, message_id="7")
            until(lambda: consumer.handled == [7], "the message is handled")
            closes = counted(otel, CLOSES, CLOSE)

    assert closes == {"heartbeat": 1}
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "connection_lost"): 1}


def test_a_publisher_that_fills_the_broker_is_seen_waiting(otel: Telemetry, broker: Broker) -> None:
    """At the memory alarm one message waits unconfirmed; when the queue is emptied, all goes on."""
    queue = broker.queue()
    broker.limit_memory(40_000_000)
    try:
        with Publisher(broker.url, queue, itertools.count(), body=bytes(60_000)) as publisher:
            until(lambda: bool(publisher.confirmed), "messages flow")
            until(lambda: otel.metric(BLOCKED).value() == 1, "the publisher is blocked", 60)
            until(lambda: otel.metric(UNCONFIRMED).value() == 1, "a message waits")
            stored = len(publisher.confirmed)
            time.sleep(1)
            age, seconds = otel.metric(UNCONFIRMED_AGE).value(), otel.metric(BLOCKED_TIME).value()
            assert len(publisher.confirmed) == stored
            with Consumer(broker.url, queue) as consumer:
                until(lambda: len(consumer.handled) >= stored, "the queue is emptied")
                broker.alarm(False)  # memory comes back when Erlang likes
                until(lambda: otel.metric(BLOCKED).value() == 0, "the broker takes messages")
                until(lambda: len(publisher.confirmed) > stored + 20, "messages flow")
                after = otel.metric(BLOCKED_TIME).value()
                assert counted(otel, CLOSES, CLOSE) == {}
                publisher.end()
                until(lambda: len(consumer.handled) == publisher.tries, "all are handled")
    finally:
        broker.alarm(False)

    assert stored >= 100
    assert age >= 0.9
    assert 1 <= seconds <= after
    assert publisher.confirmed == sorted(consumer.handled) == list(range(publisher.tries))


def test_a_publisher_that_waits_no_longer_is_told_from_a_lost_one(
    otel: Telemetry, broker: Broker
) -> None:
    """A connection that is given up because the broker takes nothing has a reason of its own."""
    queue = broker.queue()
    url = broker.url_at(broker.port, blocked_connection_timeout=1)
    with Consumer(broker.url, queue) as consumer, Publisher(url, queue, IDS, _PAUSE) as publisher:
        until(lambda: len(publisher.confirmed) > 20, "messages flow")
        broker.alarm(True)
        try:
            until(lambda: bool(publisher.losses), "the publisher has given up")
        finally:
            broker.alarm(False)
        until(worked_off(publisher, consumer), "all messages are handled")
        closes = counted(otel, CLOSES, CLOSE)

    assert closes == {"blocked": len(publisher.losses)}
    assert publisher.confirmed == list(IDS)
    _check_confirmations(otel, publisher, "timeout")


def test_a_killed_consumers_messages_are_seen_again(otel: Telemetry, broker: Broker) -> None:
    """What a killed process held comes to the next one, which counts it as the broker does."""
    queue = broker.queue()
    for each in range(30):
        broker.publish(queue, message_id=str(each), delivery_mode=2)
    program = Path(__file__).with_name("amqp_programs") / "workers.py"
    with subprocess.Popen(
        [sys.executable, str(program), broker.url, queue, "0.05"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(int(line) >= 3 for line in process.stdout)
        process.kill()

    with Consumer(broker.url, queue) as consumer:
        until(lambda: broker.messages(queue).get("ack") == 30, "all messages are handled")

    redelivered = broker.messages(queue)["redeliver"]
    assert redelivered >= 1
    assert counted(otel, "messaging.rabbitmq.redelivered.messages", QUEUE) == {queue: redelivered}
    assert max(consumer.handled) == 29


def test_a_consumer_that_acknowledges_nothing_is_seen_going_deaf(
    otel: Telemetry, broker: Broker
) -> None:
    """The broker closes a channel that holds a message too long; the process hears no more."""
    queue = broker.queue()
    broker.publish(queue)
    usual = {"consumer_timeout": 1_800_000, "channel_tick_interval": 60_000}
    broker.set("consumer_timeout", 2000)
    broker.set("channel_tick_interval", 500)
    try:
        connection = pika.BlockingConnection(pika.URLParameters(broker.url))
        with connection:
            channel = connection.channel()
            channel.basic_consume(queue, lambda *_message: None)

            def is_closed() -> bool:
                connection.process_data_events(0.05)
                return not channel.is_open

            until(lambda: not is_closed() and "unsettled" in state_of(otel, queue), "it came")
            before = state_of(otel, queue)

            until(is_closed, "the broker closes the channel")
            deaf = state_of(otel, queue)
            anew = connection.channel()
            anew.basic_consume(queue, lambda *_message: None, auto_ack=True)
            after = state_of(otel, queue)
    finally:
        for name, value in usual.items():
            broker.set(name, value)

    assert before == {"consuming": 1, "unsettled": 1}
    assert deaf == {"deaf": 1}
    assert after == {"consuming": 1}
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "channel_closed"): 1}


def test_a_consumer_whose_queue_is_deleted_is_seen_going_deaf(
    otel: Telemetry, broker: Broker
) -> None:
    """The broker cancels the consumer, and the process hears no more until it consumes anew."""
    queue = broker.queue()
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.basic_consume(queue, lambda *_message: None)
        broker.delete(queue)

        def is_cancelled() -> bool:
            connection.process_data_events(0.05)
            return not channel.consumer_tags

        until(is_cancelled, "the broker cancels the consumer")
        deaf = state_of(otel, queue)

    assert deaf == {"deaf": 1}
    assert state_of(otel, queue) == {}
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "cancelled"): 1}


def test_a_consumer_that_declares_its_queue_again_is_well(otel: Telemetry, broker: Broker) -> None:
    """A worker that watches its consumer comes back after its queue was deleted."""
    queue = broker.queue()
    with Consumer(broker.url, queue) as consumer:
        assert consumer.consuming.wait(10)
        broker.delete(queue)
        until(lambda: bool(consumer.losses) and consumer.consuming.is_set(), "it is back")
        broker.publish(queue, message_id="7")
        until(lambda: consumer.handled == [7], "the message is handled")
        until(lambda: state_of(otel, queue) == {"consuming": 1}, "it is settled")
        closes = counted(otel, CLOSES, CLOSE)

    assert closes == {"client": 1}
    assert counted(otel, LOSSES, QUEUE, LOSS) == {(queue, "cancelled"): 1}


def _check_confirmations(otel: Telemetry, publisher: Publisher, unanswered: str = "lost") -> None:
    """
    Every try has one answer, as the publisher saw it or better.

    A confirm may come in one breath with the end of its connection: pika tells the program of
    the end only.
    """
    found = counted(otel, CONFIRMS, CONFIRMATION)
    assert found.keys() <= {"ack", unanswered}
    assert sum(found.values()) == publisher.tries
    unseen = found["ack"] - len(publisher.confirmed)
    assert 0 <= unseen <= len(publisher.losses)
