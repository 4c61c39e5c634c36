# SPDX-License-Identifier: Apache-2.0
"""
A publisher or a consumer that writes what it did into a table, for comparison with its metrics.

``publish URL QUEUE TABLE FIRST END``: each message has an id, and each try to publish it another
one. ``consume URL QUEUE TABLE SEED``: what becomes of a delivery is drawn by lot.
"""

from __future__ import annotations

import random
import signal
import sqlite3
import sys
import threading
import uuid
from contextlib import closing

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError

from otel_setup import setup

PREFETCH = 50
#: Of a hundred deliveries so many are sent back, and so many are rejected.
_REQUEUED, _REJECTED = 10, 3
_PAUSE_SECONDS = 0.05
_GONE = (AMQPError, OSError)

_stop = threading.Event()


def connect(url: str, table: sqlite3.Connection) -> BlockingConnection:
    """Return a connection, made in as many tries as it takes; each counts."""
    while True:
        table.execute("INSERT INTO connections VALUES (1)")
        try:
            return BlockingConnection(pika.URLParameters(url))
        except _GONE:
            _stop.wait(_PAUSE_SECONDS)


def publish(url: str, queue: str, table: sqlite3.Connection, first: int, end: int) -> None:
    """Publish the ids from *first* to before *end*, each until the broker confirms it."""
    left = iter(range(first, end))
    current = next(left, None)
    while current is not None:
        connection = connect(url, table)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            while current is not None:
                attempt = uuid.uuid4().hex
                table.execute("INSERT INTO attempts VALUES (?, ?, 0)", (attempt, current))
                channel.basic_publish(
                    "",
                    queue,
                    b"a message",
                    pika.BasicProperties(message_id=str(current), correlation_id=attempt),
                    mandatory=True,
                )
                table.execute("UPDATE attempts SET confirmed = 1 WHERE attempt = ?", (attempt,))
                current = next(left, None)
            connection.close()
        except _GONE:
            _stop.wait(_PAUSE_SECONDS)


def consume(url: str, queue: str, table: sqlite3.Connection, seed: int) -> None:
    """Consume *queue* until told to stop."""
    lot = random.Random(seed)  # noqa: S311 - the same on each run

    def on_message(
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        drawn = lot.randrange(100)
        outcome = "ack"
        if drawn < _REQUEUED:
            outcome = "requeue"
        elif drawn < _REQUEUED + _REJECTED:
            outcome = "reject"
        table.execute(
            "INSERT INTO deliveries VALUES (?, ?, ?)",
            (properties.correlation_id, outcome, method.redelivered),
        )
        if outcome == "ack":
            table.execute("INSERT OR IGNORE INTO effects VALUES (?)", (int(properties.message_id),))
            channel.basic_ack(method.delivery_tag)
        elif lot.random() < 0.5:
            channel.basic_nack(method.delivery_tag, requeue=outcome == "requeue")
        else:
            channel.basic_reject(method.delivery_tag, requeue=outcome == "requeue")

    while not _stop.is_set():
        connection = connect(url, table)
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=PREFETCH)
            channel.basic_consume(queue, on_message)
            while not _stop.is_set():
                connection.process_data_events(0.1)
            connection.close()
        except _GONE:
            _stop.wait(_PAUSE_SECONDS)


def main(role: str, url: str, queue: str, path: str, *numbers: str) -> None:
    """Work, and leave the table at *path*."""
    signal.signal(signal.SIGTERM, lambda *_: _stop.set())
    setup(role)
    with closing(sqlite3.connect(path)) as table:
        table.executescript(
            "CREATE TABLE attempts (attempt TEXT PRIMARY KEY, id INT, confirmed INT);"
            "CREATE TABLE deliveries (attempt TEXT, outcome TEXT, redelivered INT);"
            "CREATE TABLE effects (id INT PRIMARY KEY);"
            "CREATE TABLE connections (one INT);"
        )
        if role == "publish":
            publish(url, queue, table, *map(int, numbers))
        else:
            consume(url, queue, table, *map(int, numbers))
        table.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
