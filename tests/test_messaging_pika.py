# SPDX-License-Identifier: Apache-2.0
"""What a client of pika does is measured, and what it is made of stays as it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from opentelemetry import context, trace
from pika.adapters import blocking_connection, select_connection
from pika.channel import Channel
from pika.connection import Connection

from otel_setup.instrumentation.messaging import naming
from otel_setup.instrumentation.messaging.pika import PikaInstrumentor, root
from otel_setup.testing import Telemetry
from tests.amqp_callbacks import Flow
from tests.broker import Broker, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

CLASSES = (
    Channel,
    Connection,
    blocking_connection.BlockingChannel,
    blocking_connection.BlockingConnection,
    select_connection.IOLoop,
)
QUEUE = "messaging.rabbitmq.queue.name"


@pytest.fixture(name="instrumentor")
def _instrumentor(otel: Telemetry) -> Iterator[PikaInstrumentor]:
    assert otel.spans == []
    instrumentor = PikaInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture(name="connection")
def _connection(
    instrumentor: PikaInstrumentor, broker: Broker
) -> Iterator[blocking_connection.BlockingConnection]:
    assert instrumentor.is_instrumented_by_opentelemetry
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    yield connection
    if connection.is_open:
        connection.close()


@pytest.fixture(name="queue")
def _queue(broker: Broker) -> Iterator[str]:
    queue = broker.queue()
    yield queue
    broker.delete(queue)


def consume(
    channel: blocking_connection.BlockingChannel,
    queue: str,
    handle: Callable[..., None],
    seconds: float = 20,
    **options: Any,
) -> list[int]:
    """Give messages to *handle* until it has got those that wait; return their tags."""
    waiting = channel.queue_declare(queue, passive=True).method.message_count
    tags: list[int] = []

    def on_message(own: Any, method: Any, properties: Any, body: bytes) -> None:
        tags.append(method.delivery_tag)
        handle(own, method, properties, body)

    tag = channel.basic_consume(queue, on_message, **options)
    until(
        lambda: bool(channel.connection.process_data_events(0.05) or len(tags) >= waiting),
        f"{waiting} messages",
        seconds,
    )
    channel.basic_cancel(tag)
    return tags


def points(otel: Telemetry, metric: str, label: str) -> dict[str, float]:
    """Return the values of *metric* by *label*, without zeros."""
    found: dict[str, float] = {}
    for point in otel.metrics[metric].points if metric in otel.metrics else ():
        if point.value:
            name = str(point.labels.get(label, ""))
            found[name] = found.get(name, 0) + point.value
    return found


def test_pika_is_afterwards_as_it_was_before(broker: Broker, queue: str, otel: Telemetry) -> None:
    """Its classes, and the handlers of consumers that go on."""
    assert otel.spans == []
    before = [dict(vars(each)) for each in CLASSES]
    instrumentor = PikaInstrumentor()
    instrumentor.instrument()
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        handle = print
        channel.basic_consume(queue, handle)

        assert [dict(vars(each)) for each in CLASSES] != before
        instrumentor.uninstrument()

        assert [dict(vars(each)) for each in CLASSES] == before
        infos = channel._consumer_infos.values()
        assert [info.on_message_callback for info in infos] == [handle]


def test_what_the_caller_gave_is_left_alone(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """He may publish the same properties again; each message gets a trace of its own."""
    headers = {"mine": 1}
    properties = pika.BasicProperties(headers=headers)
    channel = connection.channel()

    for _ in range(2):
        channel.basic_publish("", queue, b"x", properties)

    assert (properties.headers, headers) == ({"mine": 1}, {"mine": 1})
    assert len({span.trace_id for span in otel.spans}) == 2


def test_an_ack_of_many_counts_each(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """And closes each of their traces with a span of its own."""
    channel = connection.channel()
    for _ in range(5):
        channel.basic_publish("", queue, b"x")

    tags = consume(channel, queue, lambda *_: None)
    assert points(otel, "messaging.rabbitmq.unsettled.messages", QUEUE) == {
        naming.Naming().queue(queue): 5
    }
    channel.basic_ack(tags[3], multiple=True)
    channel.basic_ack(0, multiple=True)

    assert points(otel, "messaging.rabbitmq.settled.messages", "messaging.rabbitmq.settlement") == {
        "ack": 5
    }
    assert points(otel, "messaging.rabbitmq.unsettled.messages", QUEUE) == {}
    acks = [span for span in otel.spans if span.name.startswith("ack ")]
    processes = [span.span_id for span in otel.spans if span.kind == "CONSUMER"]
    assert [span.parent_id for span in acks] == processes


def test_messages_that_are_recovered_go_back(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """They are held no more, and come again."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")
    consume(channel, queue, lambda *_: None)

    channel.basic_recover(requeue=True)

    assert points(otel, "messaging.rabbitmq.settled.messages", "messaging.rabbitmq.settlement") == {
        "requeue": 1
    }
    assert points(otel, "messaging.rabbitmq.unsettled.messages", QUEUE) == {}


def test_messages_without_need_of_an_ack_are_not_held(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """They are processed all the same."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")

    consume(channel, queue, lambda *_: None, auto_ack=True)

    assert points(otel, "messaging.rabbitmq.unsettled.messages", QUEUE) == {}
    assert points(otel, "messaging.process.duration", "error.type") == {"": 1}


@pytest.mark.parametrize("requeue", [True, False])
def test_a_message_that_is_turned_down_has_failed(
    connection: blocking_connection.BlockingConnection,
    queue: str,
    otel: Telemetry,
    *,
    requeue: bool,
) -> None:
    """Though its handler raised nothing."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")
    seen: list[int] = []

    def handle(own: Any, method: Any, _properties: Any, _body: bytes) -> None:
        if seen:
            own.basic_ack(method.delivery_tag)
        else:
            own.basic_nack(method.delivery_tag, requeue=requeue)
        seen.append(method.delivery_tag)

    consume(channel, queue, handle)

    failed = next(span for span in otel.spans if span.kind == "CONSUMER")
    why = "requeue" if requeue else "reject"
    assert (failed.status, failed.attributes["error.type"]) == ("ERROR", why)
    assert points(otel, "messaging.process.duration", "error.type")[why] == 1


def test_what_a_handler_raises_reaches_the_program(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """And the span and the metric name its class."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")

    def handle(*_: Any) -> None:
        raise LookupError("no such model")

    with pytest.raises(LookupError, match="no such model"):
        consume(channel, queue, handle)

    assert points(otel, "messaging.process.duration", "error.type") == {"LookupError": 1}
    (span,) = [span for span in otel.spans if span.kind == "CONSUMER"]
    assert [event.name for event in span.events] == ["exception"]


def test_a_handler_that_deals_with_its_exceptions_names_them_in_the_span(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """The metric takes the class from there, and the span keeps what the handler said."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")

    def handle(own: Any, method: Any, _properties: Any, _body: bytes) -> None:
        span = trace.get_current_span()
        span.record_exception(LookupError("no such model"))
        span.set_status(trace.StatusCode.ERROR, "the model is gone")
        own.basic_reject(method.delivery_tag, requeue=False)

    consume(channel, queue, handle)

    assert points(otel, "messaging.process.duration", "error.type") == {"LookupError": 1}
    (span,) = [span for span in otel.spans if span.kind == "CONSUMER"]
    assert (span.status, span.status_text) == ("ERROR", "the model is gone")


def test_work_in_a_thread_belongs_to_the_message(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """Its ack comes back to the connection's thread with the trace."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")
    threads: list[threading.Thread] = []

    def handle(own: Any, method: Any, _properties: Any, _body: bytes) -> None:
        def done() -> None:
            with trace.get_tracer("test").start_as_current_span("settling"):
                own.basic_ack(method.delivery_tag)

        current = context.get_current()

        def work() -> None:
            token = context.attach(current)
            connection.add_callback_threadsafe(done)
            context.detach(token)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    consume(channel, queue, handle)
    threads[0].join()
    until(
        lambda: (
            bool(connection.process_data_events(0.05))
            or any(span.name == "settling" for span in otel.spans)
        ),
        "the ack",
    )

    (process,) = [span for span in otel.spans if span.kind == "CONSUMER"]
    (settling,) = [span for span in otel.spans if span.name == "settling"]
    assert (settling.trace_id, settling.parent_id) == (process.trace_id, process.span_id)


def test_a_message_that_nobody_wants_comes_back(
    connection: blocking_connection.BlockingConnection, otel: Telemetry
) -> None:
    """With confirms that is a failure of its publishing."""
    channel = connection.channel()
    channel.confirm_delivery()

    with pytest.raises(pika.exceptions.UnroutableError):
        channel.basic_publish("", "nobody.here", b"x", mandatory=True)

    (span,) = otel.spans
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "returned")
    by = "messaging.rabbitmq.confirmation"
    assert points(otel, "messaging.rabbitmq.confirm.duration", by) == {"returned": 1}
    assert points(otel, "messaging.client.sent.messages", "error.type") == {"returned": 1}


def test_a_message_that_comes_back_unasked_is_measured_as_well(
    connection: blocking_connection.BlockingConnection, otel: Telemetry
) -> None:
    """Without confirms its publishing has ended by then."""
    channel = connection.channel()

    channel.basic_publish("", "nobody.here", b"x", mandatory=True)
    by = "messaging.rabbitmq.confirmation"
    until(
        lambda: (
            bool(connection.process_data_events(0.05))
            or points(otel, "messaging.rabbitmq.confirm.duration", by) == {"returned": 1}
        ),
        "the message to come back",
    )

    assert points(otel, "messaging.client.sent.messages", "error.type") == {"": 1}


def test_a_full_queue_that_refuses_is_told_from_a_stored_message(
    connection: blocking_connection.BlockingConnection, broker: Broker, otel: Telemetry
) -> None:
    """The broker answers with a nack."""
    queue = broker.queue({"x-max-length": 1, "x-overflow": "reject-publish"})
    channel = connection.channel()
    channel.confirm_delivery()

    def fill() -> None:
        # A queue may take a few more than it should.
        for _ in range(50):
            channel.basic_publish("", queue, b"x")

    with pytest.raises(pika.exceptions.NackError):
        fill()

    assert points(otel, "messaging.client.sent.messages", "error.type")["nack"] == 1
    broker.delete(queue)


def test_a_publisher_that_does_not_wait_has_its_confirms_counted(
    instrumentor: PikaInstrumentor, broker: Broker, queue: str, otel: Telemetry
) -> None:
    """Many are answered by one frame; while they are not, somebody can see how many."""
    assert instrumentor.is_instrumented_by_opentelemetry
    seen: list[float] = []

    class Publisher:
        def __init__(self) -> None:
            self.answers = 0
            self.connection = pika.SelectConnection(
                pika.URLParameters(broker.url),
                on_open_callback=lambda connection: connection.channel(on_open_callback=self.open),
                on_close_callback=lambda connection, _: connection.ioloop.stop(),
            )

        def open(self, channel: Any) -> None:
            channel.confirm_delivery(self.answered, callback=lambda _: self.publish(channel))

        def publish(self, channel: Any) -> None:
            for _ in range(200):
                channel.basic_publish("", queue, b"x")
            waiting = otel.metrics["messaging.rabbitmq.unconfirmed.messages"].points
            seen.append(sum(point.value for point in waiting))

        def answered(self, frame: Any) -> None:
            self.answers = frame.method.delivery_tag
            if self.answers == 200:
                self.connection.close()

    publisher = Publisher()
    publisher.connection.ioloop.call_later(30, publisher.connection.ioloop.stop)
    publisher.connection.ioloop.start()
    publisher.connection.ioloop.close()

    assert seen == [200]
    by = "messaging.rabbitmq.confirmation"
    assert points(otel, "messaging.rabbitmq.confirm.duration", by) == {"ack": 200}
    assert len([span for span in otel.spans if span.kind == "PRODUCER"]) == 200


@pytest.mark.parametrize("traces", ["join", "link"])
def test_a_message_joins_its_publishers_trace_or_links_to_it(
    monkeypatch: pytest.MonkeyPatch,
    connection: blocking_connection.BlockingConnection,
    queue: str,
    otel: Telemetry,
    traces: str,
) -> None:
    """There is a link in both cases."""
    monkeypatch.setenv("OTEL_SETUP_MESSAGING_TRACES", traces)
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")

    consume(channel, queue, lambda own, method, *_: own.basic_ack(method.delivery_tag))

    sent, done = otel.spans
    assert done.links == ((sent.trace_id, sent.span_id),)
    assert (done.trace_id == sent.trace_id) is (traces == "join")
    assert done.parent_id == (sent.span_id if traces == "join" else "")


def test_a_loop_that_is_left_ends_with_its_message(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """Also when somebody still holds the generator: `cancel` is the end of it."""
    channel = connection.channel()
    channel.basic_publish("", queue, b"x")
    messages = channel.consume(queue)

    next(messages)
    channel.cancel()
    with trace.get_tracer("test").start_as_current_span("later"):
        pass

    later = otel.span("later")
    assert later.parent_id == ""
    assert [span.kind for span in otel.spans if span.kind == "CONSUMER"] == ["CONSUMER"]
    messages.close()


def test_a_pause_of_a_generator_is_no_message(
    connection: blocking_connection.BlockingConnection, queue: str, otel: Telemetry
) -> None:
    """It gives out nothing when nothing came in time."""
    channel = connection.channel()

    for method, *_ in channel.consume(queue, inactivity_timeout=0.1):
        assert method is None
        break
    channel.cancel()

    assert otel.spans == []


@pytest.mark.parametrize("broken", ["port", "password"])
def test_a_connection_that_cannot_be_made_is_counted(
    instrumentor: PikaInstrumentor, broker: Broker, otel: Telemetry, broken: str
) -> None:
    """Once, and by what was behind it."""
    assert instrumentor.is_instrumented_by_opentelemetry
    parameters = pika.URLParameters(broker.url)
    if broken == "port":
        parameters.port = 1
    else:
        parameters.credentials = pika.PlainCredentials(broker.user, "wrong")

    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(parameters)

    errors = points(otel, "messaging.rabbitmq.connection.opens", "error.type")
    expected = "ConnectionRefusedError" if broken == "port" else "ProbableAuthenticationError"
    assert errors == {expected: 1}


def test_errors_are_called_by_what_is_behind_them() -> None:
    """Pika wraps what the network said, several times."""
    inner = ConnectionResetError("reset")

    assert root(pika.exceptions.AMQPConnectionError(inner)) == "ConnectionResetError"
    assert root(inner) == "ConnectionResetError"


def test_a_callback_program_keeps_its_traces_apart(
    instrumentor: PikaInstrumentor, broker: Broker, queue: str, otel: Telemetry
) -> None:
    """Each message is processed in the trace that published it."""
    assert instrumentor.is_instrumented_by_opentelemetry

    Flow(pika.SelectConnection, broker.url, queue, [b"a", b"b", b"c"], lambda *_: None).run()

    sent = {span.span_id: span.trace_id for span in otel.spans if span.kind == "PRODUCER"}
    done = {span.parent_id: span.trace_id for span in otel.spans if span.kind == "CONSUMER"}
    assert done == sent
    assert len(sent) == 3


def test_nothing_is_kept_of_connections_that_ended(
    instrumentor: PikaInstrumentor, broker: Broker, queue: str
) -> None:
    """However many there were: the memory of a program that connects again and again is bounded."""
    import gc  # noqa: PLC0415

    from otel_setup.instrumentation.messaging import state  # noqa: PLC0415

    assert instrumentor.is_instrumented_by_opentelemetry
    for _ in range(20):
        with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
            channel = connection.channel()
            channel.basic_publish("", queue, b"x")
            channel.basic_get(queue)
    del connection, channel
    time.sleep(0)
    gc.collect()

    assert len(state._all()) <= 1
