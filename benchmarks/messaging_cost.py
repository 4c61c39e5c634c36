# SPDX-License-Identifier: Apache-2.0
"""
Processor time that telemetry adds to one message, published and consumed, side by side.

Each variant is a client process of its own against the same broker. What is read is the
process's own account of its processor time, with the SDK's spans, metrics and exemplars in it,
and without exports: `benchmarks.http_cost` has those. Variants take turns in short rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from typing import IO, Any

import pika

#: What instruments the client, in each variant.
VARIANTS: Mapping[str, str] = {
    "bare": "",
    "otel_setup": "otel_setup.instrumentation.messaging.pika",
    "upstream": "opentelemetry.instrumentation.pika",
}


def _instrument(module: str) -> None:
    """Set up the SDK as a service has it, with exporters that forget, and instrument pika."""
    from opentelemetry import metrics, trace  # noqa: PLC0415 - bare has none of it
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class Nothing(SpanExporter):
        def export(self, _spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Nothing()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    importlib.import_module(module).PikaInstrumentor().instrument()


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
    if VARIANTS[variant]:
        _instrument(VARIANTS[variant])
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        queue = f"bench.{uuid.uuid4().hex}"
        channel.queue_declare(queue, exclusive=True)
        channel.basic_qos(prefetch_count=100)
        for line in sys.stdin:
            published, consumed = _round(channel, queue, int(line))
            print(published, consumed, flush=True)  # noqa: T201 - the answer


def measure(url: str, rounds: int, messages: int) -> dict[str, list[tuple[float, float]]]:
    """Return what a message cost with each variant, round by round, in microseconds."""
    order = random.Random(5)  # noqa: S311 - no secret
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    with contextlib.ExitStack() as stack:
        clients = {}
        for name in VARIANTS:
            command = [sys.executable, "-m", "benchmarks.messaging_cost", "--client", name]
            clients[name] = stack.enter_context(
                subprocess.Popen(
                    [*command, "--url", url],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        for number in range(-1, rounds):
            for name in order.sample(list(VARIANTS), len(VARIANTS)):
                cost = _ask(clients[name], messages)
                if number >= 0:  # the first is for imports and caches
                    found[name].append(cost)
        for client in clients.values():
            _line(client.stdin).close()
    return found


def _ask(client: subprocess.Popen[str], messages: int) -> tuple[float, float]:
    print(messages, file=_line(client.stdin), flush=True)
    published, consumed = _line(client.stdout).readline().split()
    return float(published), float(consumed)


def _line(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise ValueError("the client has no pipe")
    return stream


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
    found = measure(chosen.url, chosen.rounds, chosen.messages)
    medians = {
        name: [statistics.median(side) for side in zip(*costs, strict=True)]
        for name, costs in found.items()
    }
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
