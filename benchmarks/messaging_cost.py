# SPDX-License-Identifier: Apache-2.0
"""
Processor time that telemetry adds to one message, published and consumed, side by side.

Each variant is a client process of its own against the same broker. What is read is the
process's own account of its processor time, with the SDK's spans, metrics and exemplars in it,
and without exports: `benchmarks.http_cost` has those. Variants take turns in short rounds.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pika

from benchmarks import side_by_side

#: What instruments the client, in each variant.
VARIANTS: Mapping[str, str] = {
    "bare": "",
    "otel_setup": "otel_setup.instrumentation.messaging.pika:PikaInstrumentor",
    "upstream": "opentelemetry.instrumentation.pika:PikaInstrumentor",
}


def _round(channel: Any, queue: str, messages: int) -> tuple[float, float]:
    """Return the processor time of publishing and of consuming one message, in microseconds."""
    properties = pika.BasicProperties(message_id="1", type="bench")
    start = time.process_time()
    for _ in range(messages):
        channel.basic_publish("", queue, b"x" * 200, properties)
    published = time.process_time() - start
    left = messages

    def handle(own: Any, method: Any, _properties: Any, _body: bytes) -> None:
        nonlocal left
        own.basic_ack(method.delivery_tag)
        left -= 1

    start = time.process_time()
    tag = channel.basic_consume(queue, handle)
    while left:
        channel.connection.process_data_events(1)
    channel.basic_cancel(tag)
    consumed = time.process_time() - start
    return published / messages * 1e6, consumed / messages * 1e6


def _client(variant: str, url: str) -> None:
    """Answer each number of messages on standard input with what one of them cost."""
    side_by_side.instrument(VARIANTS[variant])
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        queue = f"bench.{uuid.uuid4().hex}"
        channel.queue_declare(queue, exclusive=True)
        channel.basic_qos(prefetch_count=100)
        for line in sys.stdin:
            side_by_side.answer(*_round(channel, queue, int(line)))


def main() -> None:
    """Measure and print the medians, and what each variant adds to bare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the broker, amqp://user:password@host:port/")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--client", choices=list(VARIANTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.client:
        _client(chosen.client, chosen.url)
        return
    found = side_by_side.measure(
        "benchmarks.messaging_cost", VARIANTS, chosen.url, chosen.rounds, chosen.messages
    )
    medians = side_by_side.medians(found)
    print(f"{'':12} publish µs  consume µs  both added  of bare")  # noqa: T201
    bare = sum(medians["bare"])
    for name, (published, consumed) in medians.items():
        both = published + consumed
        print(  # noqa: T201
            f"{name:12} {published:10.0f}  {consumed:10.0f}  "
            f"{both - bare:+10.0f}  {both / bare:7.2f}"
        )


if __name__ == "__main__":
    main()
