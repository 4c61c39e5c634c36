# SPDX-License-Identifier: Apache-2.0
"""What upstream's instrumentation of pika gets wrong, on a real broker; ours gets it right."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from pika.adapters.blocking_connection import BlockingChannel

from otel_setup import carry_context
from otel_setup.testing import Telemetry
from tests.amqp_callbacks import ADAPTERS, Flow
from tests.amqp_gaps import by_id, counted, follows, gap, of_kind
from tests.broker import Broker, until

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("instrumentation")]

TRACER = trace.get_tracer("the application")
QUEUE = "messaging.rabbitmq.queue.name"
#: What strangers may put where a trace is expected.
POISON: tuple[Any, ...] = (5, b"\xff", [], None, {}, "0" * 10_000)


@contextlib.contextmanager
def connected(broker: Broker) -> Iterator[BlockingChannel]:
    """Yield a channel of the pika that is instrumented."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def consume(channel: BlockingChannel, queue: str, handle: Any, messages: int) -> None:
    """Give so many *messages* of *queue* to *handle*."""
    handled: list[object] = []

    def on_message(*arguments: Any) -> None:
        handled.append(None)
        handle(*arguments)

    channel.basic_consume(queue, on_message)

    def all_handled() -> bool:
        channel.connection.process_data_events(0.05)
        return len(handled) == messages

    until(all_handled, f"{messages} messages came")


@gap("pika", "two spans per publish, one in the other")
@pytest.mark.parametrize("confirms", [False, True], ids=["plain", "confirms"])
def test_a_publish_is_one_span(otel: Telemetry, broker: Broker, confirms: bool) -> None:
    """One publish has one PRODUCER span, whose id is in the message."""
    queue = broker.queue()
    with connected(broker) as channel:
        if confirms:
            channel.confirm_delivery()
        channel.basic_publish("", queue, b"")

    sent = broker.take(queue).headers["traceparent"]
    assert [span.span_id for span in of_kind(otel, "PRODUCER")] == [sent.split("-")[2]]


@gap("pika", "no consumer span on connections with callbacks, and the trace is lost")
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_callback_connections_are_traced(
    otel: Telemetry, broker: Broker, adapter: type[Any]
) -> None:
    """The handler of a connection with callbacks runs in a CONSUMER span of the sender's trace."""
    headers: list[str] = []

    def handle(_channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        headers.append(properties.headers["traceparent"])
        with TRACER.start_as_current_span("work"):
            pass

    queue = broker.queue()
    Flow(adapter, broker.url, queue, [b""], handle).run()

    process = by_id(otel, otel.span("work").parent_id)
    assert process.kind == "CONSUMER"
    assert follows(process, headers[0])


@gap("pika", "basic_get has no span, so that the trace ends there")
def test_a_get_follows_its_message(otel: Telemetry, broker: Broker) -> None:
    """A message that is fetched has a span that points to its sender; an empty queue has none."""
    queue = broker.queue()
    with connected(broker) as channel:
        channel.basic_publish("", queue, b"")
        _method, properties, _body = channel.basic_get(queue, auto_ack=True)
        fetched = len(otel.spans)
        assert channel.basic_get(queue, auto_ack=True) == (None, None, None)

    assert len(otel.spans) == fetched
    assert [
        span.name
        for span in otel.spans
        if span.kind != "PRODUCER" and follows(span, properties.headers["traceparent"])
    ] != []


@gap("pika", "the span of a generator's message ends before the work, its context never")
def test_a_generators_span_covers_the_work(otel: Telemetry, broker: Broker) -> None:
    """Work in a loop over messages lies inside its message's span; what comes after does not."""
    queue = broker.queue()
    with connected(broker) as channel:
        for _ in range(2):
            channel.basic_publish("", queue, b"")
        left = 2
        for method, _properties, _body in channel.consume(queue, inactivity_timeout=10):
            assert method is not None
            with TRACER.start_as_current_span("work"):
                pass
            channel.basic_ack(method.delivery_tag)
            left -= 1
            if not left:
                break
        channel.cancel()
        with TRACER.start_as_current_span("after"):
            pass

    works = [span for span in otel.spans if span.name == "work"]
    processes = [by_id(otel, work.parent_id) for work in works]
    assert [process.kind for process in processes] == ["CONSUMER"] * 2
    assert [
        process.start < work.start and work.end < process.end
        for process, work in zip(processes, works, strict=True)
    ] == [True, True]
    assert otel.span("after").parent_id == ""


@gap("pika", "a header that is no text ends the consumer, again and again", raises=TypeError)
def test_no_header_ends_a_consumer(otel: Telemetry, broker: Broker) -> None:
    """Whatever stands where a trace is expected, the handler runs; unreadable ones are counted."""
    queue = broker.queue()
    for value in POISON:
        broker.publish(queue, headers={"traceparent": value})

    handled: list[object] = []
    with connected(broker) as channel:
        consume(
            channel,
            queue,
            lambda _channel, _method, properties, _body: handled.append(properties.headers),
            len(POISON),
        )

    assert handled == [{"traceparent": value} for value in POISON]
    invalid = otel.metric("messaging.rabbitmq.invalid.contexts")
    assert invalid.value({QUEUE: queue}) == len(POISON)


@gap("pika", "consuming without telemetry ends in an error", raises=AttributeError)
def test_a_consumer_may_go_without_telemetry(otel: Telemetry, broker: Broker) -> None:
    """Where instrumentation is suppressed, a message without headers is handled as ever."""
    queue = broker.queue()
    broker.publish(queue, b"work")

    handled: list[bytes] = []
    with connected(broker) as channel, suppress_instrumentation():
        consume(channel, queue, lambda *message: handled.append(message[3]), 1)

    assert handled == [b"work"]
    assert otel.spans == []


@gap("pika", "what a thread gives back to the connection is in no trace")
def test_a_threads_callback_is_in_the_messages_trace(otel: Telemetry, broker: Broker) -> None:
    """A callback that a worker thread hands to the connection runs in its message's trace."""
    queue = broker.queue()
    broker.publish(queue)
    settled = threading.Event()

    def handle(channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        def settle() -> None:
            with TRACER.start_as_current_span("settle"):
                channel.basic_ack(method.delivery_tag)
            settled.set()

        def work() -> None:
            channel.connection.add_callback_threadsafe(settle)

        threading.Thread(target=carry_context(work)).start()

    with connected(broker) as channel:
        consume(channel, queue, handle, 1)

        def is_settled() -> bool:
            channel.connection.process_data_events(0.05)
            return settled.is_set()

        until(is_settled, "the message is settled")

    [process] = of_kind(otel, "CONSUMER")
    settle = otel.span("settle")
    assert (settle.trace_id, settle.parent_id) == (process.trace_id, process.span_id)


@gap("pika", "no metrics, and the queue is nowhere")
def test_every_message_is_counted(otel: Telemetry, broker: Broker) -> None:
    """Ten sent, seven acknowledged, two turned down, one that fails: by queue and outcome."""
    queue = broker.queue()

    def handle(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
        if body == b"fails":
            raise ZeroDivisionError
        if body == b"bad":
            channel.basic_nack(method.delivery_tag, requeue=False)
        else:
            channel.basic_ack(method.delivery_tag)

    with connected(broker) as channel:
        channel.confirm_delivery()
        for body in [b"good"] * 7 + [b"bad"] * 2 + [b"fails"]:
            channel.basic_publish("", queue, body)
        with pytest.raises(ZeroDivisionError):
            consume(channel, queue, handle, 10)

    assert otel.metric("messaging.client.sent.messages").by("messaging.destination.name") == {
        queue: 10
    }
    assert otel.metric("messaging.client.consumed.messages").by(QUEUE) == {queue: 10}
    assert otel.metric("messaging.process.duration").by(QUEUE, "error.type") == {
        (queue, None): 7,
        (queue, "reject"): 2,
        (queue, "ZeroDivisionError"): 1,
    }
    operations = otel.metric("messaging.client.operation.duration").by("messaging.operation.name")
    assert {name: operations.get(name) for name in ("publish", "ack", "nack")} == {
        "publish": 10,
        "ack": 7,
        "nack": 2,
    }
    settled = "messaging.rabbitmq.settled.messages"
    assert counted(otel, settled, QUEUE, "messaging.rabbitmq.settlement") == {
        (queue, "ack"): 7,
        (queue, "reject"): 2,
    }
