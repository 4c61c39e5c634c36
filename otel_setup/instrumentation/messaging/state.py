# SPDX-License-Identifier: Apache-2.0
"""
What is known of the connections and channels of this process, and the gauges that show it.

The libraries keep their own objects as they are: what we know of one is kept beside it, for as
long as it lives. What one channel can have us remember is bounded.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from timeit import default_timer
from typing import TypeVar

from otel_setup.catalogue.entries import messaging as catalogue
from otel_setup.instrumentation import tally
from otel_setup.instrumentation.messaging import measures
from otel_setup.instrumentation.messaging.consuming import Delivery
from otel_setup.instrumentation.messaging.publishing import Publication
from otel_setup.instrumentation.observing import Observing
from otel_setup.instruments import Observations

#: The most that AMQP lets a client hold by a prefetch; who sets none may hold more, unmeasured.
_MOST = 65_535
#: Consumers that ended, of one channel; of an older one no message is on its way.
_ENDED = 100

K = TypeVar("K")
V = TypeVar("V")

_lock = threading.Lock()
_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_blocked_before = 0.0


@dataclass(frozen=True, slots=True)
class Consumer:
    """A consumer of a queue."""

    #: Its tag.
    name: str
    #: The queue.
    source: str
    #: The queue as labels call it.
    queue: str
    auto_ack: bool
    #: How many messages it may hold; 0 for any number.
    prefetch: int


class Connection:
    """A connection: it is open from `opened` until `closed`."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.is_open = False
        self.channels: weakref.WeakSet[Channel] = weakref.WeakSet()
        #: Queues of consumers that were lost here and not replaced anywhere; see `deaf`.
        self.deaf: list[str] = []
        self._blocked_since: float | None = None
        with _lock:
            _connections.add(self)
        # Not before: many a program imports the library and never connects.
        publish()

    def opened(self) -> None:
        """Note that it is open."""
        self.is_open = True
        measures.CONNECTION_OPENS.add(1, "")

    def closed(self, reason: str) -> None:
        """Note that it ended: client, broker, lost, heartbeat or blocked."""
        if not self.is_open:
            return
        self.unblocked()
        self.is_open = False
        self.deaf.clear()
        measures.CONNECTION_CLOSES.add(1, reason)

    def unseen(self) -> None:
        """Note that nobody watches it any more: what is not known is in no gauge."""
        with _lock:
            _connections.discard(self)

    def blocked(self) -> None:
        """Note that the broker takes no messages from now on."""
        if self._blocked_since is None:
            self._blocked_since = default_timer()

    def unblocked(self) -> None:
        """Note that the broker takes messages again, or that nobody waits for it any more."""
        global _blocked_before  # noqa: PLW0603 - of the whole process
        with _lock:
            _blocked_before += self.blocked_seconds
            self._blocked_since = None

    @property
    def blocked_seconds(self) -> float:
        """For how long it has been blocked now."""
        since = self._blocked_since
        return 0.0 if since is None else default_timer() - since

    @property
    def is_blocked(self) -> bool:
        """Whether it is blocked now."""
        return self._blocked_since is not None


def failed_to_open(error_type: str) -> None:
    """Note that a connection could not be opened."""
    publish()
    measures.CONNECTION_OPENS.add(1, error_type)


class Channel:
    """A channel: who consumes on it, what it holds, and what it waits for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        #: How many messages each consumer that begins from now on may hold; 0 for any number.
        self.prefetch = 0
        #: By their tags.
        self.consumers: dict[str, Consumer] = {}
        self._ended: dict[str, Consumer] = {}
        #: Delivered and not settled, by delivery tag.
        self.unsettled: dict[int, Delivery] = {}
        #: Delivered without need to settle, until a handler begins with it.
        self.waiting: dict[int, Delivery] = {}
        #: Whether the broker confirms what is published.
        self.confirms = False
        #: Published and not confirmed, by their number.
        self.unconfirmed: dict[int, Publication] = {}
        self._published = 0
        with _lock:
            connection.channels.add(self)

    # ---- consumers

    def consuming(self, consumer: Consumer) -> None:
        """Note that *consumer* begins; one that was lost elsewhere is replaced by it."""
        self.consumers[consumer.name] = consumer
        measures.expect(consumer.queue)
        for connection in _all():
            if consumer.queue in connection.deaf:
                connection.deaf.remove(consumer.queue)
                break

    def consumer(self, name: str) -> Consumer | None:
        """Return the consumer *name*, also if it ended: messages for it may be on their way."""
        return self.consumers.get(name) or self._ended.get(name)

    def cancelled(self, name: str) -> None:
        """Note that the client ended the consumer *name*."""
        consumer = self.consumers.pop(name, None)
        if consumer is not None:
            _put(self._ended, name, consumer, most=_ENDED)

    def lost(self, name: str, reason: str) -> None:
        """Note that the consumer *name* ended by no will of the client."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return
        measures.CONSUMER_LOSSES.add(1, {measures.QUEUE: consumer.queue, measures.LOSS: reason})
        if reason != "connection_lost" and self.connection.is_open:
            self.connection.deaf.append(consumer.queue)

    # ---- deliveries

    def delivered(self, tag: int, delivery: Delivery, *, auto_ack: bool) -> None:
        """Note that *delivery* came under *tag*."""
        _put(self.waiting if auto_ack else self.unsettled, tag, delivery)

    def taken(self, tag: int) -> Delivery | None:
        """Return the delivery with *tag*, whose handler begins now."""
        return self.waiting.pop(tag, None) or self.unsettled.get(tag)

    def settled(
        self, tag: int, settlement: str, operation: str, seconds: float, *, multiple: bool = False
    ) -> None:
        """Note that the delivery with *tag*, or all up to it (0: all), were settled at once."""
        done = _take(self.unsettled, tag, multiple=multiple)
        for delivery in done:
            delivery.settled(settlement, operation)
        if done:
            done[-1].asked(operation, seconds)

    # ---- publications

    def published(self, publication: Publication | None) -> int:
        """
        Note that a message was written; None is one that nobody measures, but has its number.

        Returns: the number under which the broker confirms it; 0 where it does not.
        """
        if not self.confirms:
            if publication is not None:
                publication.written()
            return 0
        self._published += 1
        if publication is not None:
            _put(self.unconfirmed, self._published, publication)
        return self._published

    def confirmed(self, number: int, confirmation: str, *, multiple: bool) -> None:
        """Note the broker's answer, ack or nack, to what was published as *number*."""
        for publication in _take(self.unconfirmed, number, multiple=multiple):
            publication.answered(confirmation)

    def returned(self, stamp: object) -> bool:
        """Note that what was published at *stamp* came back; False if nobody waits for it."""
        for publication in list(self.unconfirmed.values()):
            if publication.stamp == stamp:
                publication.answered("returned")
                return True
        return False

    # ---- its end

    def closed(self, loss: str, unanswered: str = "lost") -> None:
        """
        Note that it ended; *loss* says why its consumers did, empty for the client's wish.

        *unanswered* is what that makes of messages that wait for a confirm: lost, or timeout.
        """
        for publication in _take(self.unconfirmed, 0, multiple=True):
            publication.answered(unanswered)
        self.unsettled.clear()
        self.waiting.clear()
        for name in list(self.consumers):
            if loss:
                self.lost(name, loss)
            else:
                self.cancelled(name)
        self.confirms = False


def _put(where: dict[K, V], key: K, value: V, *, most: int = _MOST) -> None:
    if len(where) >= most:
        where.pop(next(iter(where)), None)  # the oldest: what we do not remember is not measured
    where[key] = value


def _take(where: dict[int, V], key: int, *, multiple: bool) -> list[V]:
    """Remove and return what is under *key*; with *multiple* all up to it, all of it for 0."""
    if not multiple:
        found = where.pop(key, None)
        return [] if found is None else [found]
    # Keys rise, so what is up to this one stands first.
    taken = []
    for each in list(where):
        if key and each > key:
            break
        taken.append(where.pop(each))
    return taken


# ---- gauges


def _all() -> list[Connection]:
    with _lock:
        return list(_connections)


def _channels() -> Iterator[Channel]:
    for connection in _all():
        with _lock:
            channels = list(connection.channels)
        yield from channels


def _by_queue(counts: Counter[str]) -> Observations:
    return [(count, {measures.QUEUE: queue}) for queue, count in counts.items()]


def _consumers() -> Iterator[Consumer]:
    for channel in _channels():
        yield from list(channel.consumers.values())


def _unsettled() -> Observations:
    counts = Counter({consumer.queue: 0 for consumer in _consumers()})
    for channel in _channels():
        counts.update(delivery.queue for delivery in list(channel.unsettled.values()))
    return _by_queue(counts)


def _unsettled_age() -> Observations:
    ages = dict.fromkeys((consumer.queue for consumer in _consumers()), 0.0)
    now = default_timer()
    for channel in _channels():
        for delivery in list(channel.unsettled.values()):
            ages[delivery.queue] = max(ages.get(delivery.queue, 0.0), now - delivery.arrived)
    return [(age, {measures.QUEUE: queue}) for queue, age in ages.items()]


def _prefetch() -> Observations:
    counts: Counter[str] = Counter()
    for consumer in _consumers():
        if consumer.prefetch and not consumer.auto_ack:
            counts[consumer.queue] += consumer.prefetch
    return _by_queue(counts)


def _consumers_by_state() -> Observations:
    consuming = Counter(consumer.queue for consumer in _consumers())
    deaf = Counter(queue for connection in _all() for queue in list(connection.deaf))
    state = "messaging.rabbitmq.consumer.state"
    for queue in consuming | deaf:
        yield consuming[queue], {measures.QUEUE: queue, state: "consuming"}
        yield deaf[queue], {measures.QUEUE: queue, state: "deaf"}


def _unconfirmed() -> Iterator[Publication]:
    for channel in _channels():
        yield from list(channel.unconfirmed.values())


def _confirming() -> bool:
    return any(channel.confirms for channel in _channels())


def _unconfirmed_count() -> Observations:
    return [(sum(1 for _ in _unconfirmed()), {})] if _confirming() else []


def _unconfirmed_age() -> Observations:
    ages = (publication.age for publication in _unconfirmed())
    return [(max(ages, default=0.0), {})] if _confirming() else []


def _open() -> Observations:
    return [(sum(connection.is_open for connection in _all()), {})]


def _blocked() -> Observations:
    return [(sum(connection.is_blocked for connection in _all()), {})]


def _blocked_time() -> Observations:
    connections = _all()
    with _lock:
        now = sum(connection.blocked_seconds for connection in connections)
        return [(_blocked_before + now, {})]


_OBSERVING = Observing(
    (
        *((each.entry, each.read) for each in measures.TALLIES),
        (catalogue.UNSETTLED, _unsettled),
        (catalogue.UNSETTLED_AGE, _unsettled_age),
        (catalogue.PREFETCH, _prefetch),
        (catalogue.CONSUMERS, _consumers_by_state),
        (catalogue.UNCONFIRMED, _unconfirmed_count),
        (catalogue.UNCONFIRMED_AGE, _unconfirmed_age),
        (catalogue.CONNECTIONS, _open),
        (catalogue.CONNECTIONS_BLOCKED, _blocked),
        (catalogue.BLOCKED_TIME, _blocked_time),
    )
)


def publish() -> None:
    """Have the gauges read at every export of the present provider."""
    if _OBSERVING.publish():
        measures.expect_closes()


def renew() -> None:
    """Begin anew with a recording of a test, which forgets what an earlier one observed."""
    global _blocked_before  # noqa: PLW0603 - of the whole process
    _blocked_before = 0.0
    tally.forget()
    _OBSERVING.renew()


def forget() -> None:
    """Forget what there is: a parent's connections are not those of its child."""
    global _lock, _blocked_before  # noqa: PLW0603 - of the whole process
    _lock = threading.Lock()
    _connections.clear()
    tally.forget()
    _blocked_before = 0.0


os.register_at_fork(after_in_child=forget)
