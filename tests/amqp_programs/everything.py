# SPDX-License-Identifier: Apache-2.0
"""Does all that a client can do, again and again; BROKER, QUEUE and NOWHERE say where."""

from __future__ import annotations

import contextlib
import os
import time

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, UnroutableError

_BROKER, _QUEUE, _NOWHERE = (os.environ[name] for name in ("BROKER", "QUEUE", "NOWHERE"))


def _published(channel: BlockingChannel, key: str, body: bytes, exchange: str = "") -> None:
    properties = pika.BasicProperties(message_id=body.decode(), delivery_mode=2)
    channel.basic_publish(exchange, key, body, properties, mandatory=True)


def _handle(channel: BlockingChannel, method: object, _properties: object, body: bytes) -> None:
    tag, again = method.delivery_tag, method.redelivered  # type: ignore[attr-defined]
    if body == b"refused":
        channel.basic_reject(tag, requeue=False)
    elif body == b"tried again" and not again:
        channel.basic_nack(tag, requeue=True)
    elif body == b"held":
        pass  # it is the next process's, one day
    else:
        channel.basic_ack(tag)
    if body == b"broken":
        raise KeyError(body)


def _forever() -> None:
    with contextlib.suppress(AMQPError, OSError):
        pika.BlockingConnection(pika.URLParameters("amqp://127.0.0.1:1"))
    connection = pika.BlockingConnection(pika.URLParameters(_BROKER))
    consuming, publishing = connection.channel(), connection.channel()
    publishing.confirm_delivery()
    consuming.basic_qos(prefetch_count=5)
    consuming.basic_consume(_QUEUE, _handle)
    _published(publishing, _QUEUE, b"held")
    while True:
        for body in (b"fine", b"refused", b"tried again", b"broken"):
            _published(publishing, _QUEUE, body)
        with contextlib.suppress(UnroutableError):
            _published(publishing, _NOWHERE, b"returned")
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            with contextlib.suppress(KeyError):
                connection.process_data_events(0.1)


if __name__ == "__main__":
    _forever()
