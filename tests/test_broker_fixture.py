# SPDX-License-Identifier: Apache-2.0
"""The broker of the tests does and says what tests rely on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.broker import Broker, plain_pika, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


def test_durable_messages_outlive_a_kill(broker: Broker) -> None:
    """What was confirmed is there again after the node was killed and started."""
    queue = broker.queue()
    broker.publish(queue, b"kept", delivery_mode=2, headers={"a": 1})

    broker.kill()
    broker.start()

    assert broker.take(queue).headers == {"a": 1}


def test_counts_are_those_of_the_queue(broker: Broker) -> None:
    """The pages, and the management API, count what was published and taken."""
    queue = broker.queue()
    before = broker.counts()["rabbitmq_global_messages_received_confirm_total"]
    for _ in range(3):
        broker.publish(queue)
    broker.take(queue)

    received = broker.counts()["rabbitmq_global_messages_received_confirm_total"] - before
    until(lambda: broker.messages(queue).get("get_no_ack") == 1, "the message taken is counted")
    until(
        lambda: broker.queue_counts(queue).get("rabbitmq_detailed_queue_messages_ready") == 2,
        "two messages are left",
    )
    assert received == 3
    assert broker.messages(queue)["publish"] == 3
    broker.delete(queue)


def test_an_alarm_blocks_publishers(broker: Broker) -> None:
    """Under the memory alarm the broker reads one more message at most, and then nothing."""
    queue = broker.queue()
    pika = plain_pika()
    broker.alarm(True)
    try:
        url = broker.url_at(broker.port, blocked_connection_timeout=1)
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.ConnectionBlockedTimeout):
            _publish_twice(channel, queue)
    finally:
        broker.alarm(False)
    broker.publish(queue, b"after")


def _publish_twice(channel: Any, queue: str) -> None:
    for _ in range(2):
        channel.basic_publish("", queue, b"")
