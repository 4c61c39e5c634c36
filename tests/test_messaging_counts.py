# SPDX-License-Identifier: Apache-2.0
"""
What clients count is what the broker counts is what the programs' tables hold.

``MESSAGES`` says how many messages there are: 10,000 by default, 100,000 for a full run.

While no connection drops, all counts are equal. A connection that drops takes something with
it, and each difference has one of these reasons:

1. A message whose confirm got lost may be in the broker all the same: the client counts it as
   lost, and the program publishes it again. When the confirm comes in one breath with the end of
   the connection, pika tells the program of the end only: the client counts it as sent, and the
   program publishes it again. So programs know of fewer than clients, clients of fewer than the
   broker, and what the broker got is what consumers saw.
2. What the broker had sent and the client had not read yet, or what the client had fetched and
   not begun with: at most a prefetch per connection. So the broker delivered more than the client
   consumed, and the client consumed more than it handled.
3. A settlement that the broker did not get any more: the message is delivered again, as
   redelivered. So the client settled more often than the broker counts, and what happened in
   the end is what the broker knows: each message is either acknowledged or a dead letter, once.

Of every message there is an effect, once, or a dead letter.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.amqp_programs.counted import PREFETCH
from tests.broker import Broker, until
from tests.otlp_sink import Sink
from tests.programs import environment
from tests.tcp_proxy import Proxy

MESSAGES = int(os.environ.get("MESSAGES", "10000"))
_SECONDS = 60 + MESSAGES // 100

pytestmark = [pytest.mark.stack, pytest.mark.timeout(_SECONDS + 60)]

_PROGRAM = Path(__file__).with_name("amqp_programs") / "counted.py"
_PUBLISHERS, _CONSUMERS = 2, 2
_SETTLEMENT = "messaging.rabbitmq.settlement"
_BY_OUTCOME = "SELECT outcome, count(*) FROM deliveries GROUP BY outcome"
_REDELIVERED = "SELECT 1, count(*) FROM deliveries WHERE redelivered"
#: Of the broker's counters, those that are compared.
_COUNTED = {
    "received": "rabbitmq_global_messages_received_confirm_total",
    "confirmed": "rabbitmq_global_messages_confirmed_total",
    "delivered": "rabbitmq_global_messages_delivered_consume_manual_ack_total",
    "redelivered": "rabbitmq_global_messages_redelivered_total",
    "acknowledged": "rabbitmq_global_messages_acknowledged_total",
}


@dataclass
class Run:
    """What a run of the programs left: in the broker, in the telemetry and in the tables."""

    broker: dict[str, float]
    dead: set[str]
    sink: Sink
    tables: list[Path]

    def client(self, name: str, label: str = "") -> dict[Any, float]:
        """Return what the clients counted, by *label*, over all processes."""
        found: Counter[Any] = Counter()
        newest = {
            (point.resource["service.instance.id"], series): point
            for point in self.sink.metric(name)
            for series in [frozenset(point.attributes.items())]
        }
        for point in newest.values():
            found[point.attributes.get(label)] += point.value
        return {key: value for key, value in found.items() if value}

    def rows(self, query: str) -> list[Any]:
        """Return the rows of *query* over the tables of all processes."""
        found: list[Any] = []
        for path in self.tables:
            with closing(sqlite3.connect(path)) as table:
                found += table.execute(query).fetchall()
        return found

    def table(self, query: str) -> dict[Any, int]:
        """Return the sums of a *query* for keys and counts."""
        found: Counter[Any] = Counter()
        for key, count in self.rows(query):
            found[key] += count
        return dict(found)

    def show(self) -> None:
        """Print the figures, which pytest shows of a test that fails, and with ``-s``."""
        print(f"\nbroker {self.broker}, {len(self.dead)} dead letters")  # noqa: T201
        for name, label in (
            ("messaging.client.sent.messages", "error.type"),
            ("messaging.client.consumed.messages", ""),
            ("messaging.rabbitmq.settled.messages", _SETTLEMENT),
            ("messaging.rabbitmq.redelivered.messages", ""),
            ("messaging.rabbitmq.connection.closes", "messaging.rabbitmq.close.reason"),
        ):
            print(f"{name} {self.client(name, label)}")  # noqa: T201
        print(f"deliveries in the tables {self.table(_BY_OUTCOME)}")  # noqa: T201

    @property
    def drops(self) -> int:
        """How many connections were lost."""
        closes = self.client(
            "messaging.rabbitmq.connection.closes", "messaging.rabbitmq.close.reason"
        )
        return int(sum(closes.values()) - closes.get("client", 0))


@contextmanager
def ran(broker: Broker, folder: Path, *, drops: bool) -> Iterator[Run]:
    """Let publishers and consumers work off all messages; with *drops* over a bad network."""
    dead = broker.queue()
    queue = broker.queue({"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    before = broker.counts()
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        network = stack.enter_context(Proxy(broker.port))
        url = broker.url_at(network.port)
        tables: list[Path] = []

        def start(role: str, *numbers: int) -> subprocess.Popen[str]:
            tables.append(folder / f"{len(tables)}.db")
            process = subprocess.Popen(
                [
                    *(sys.executable, str(_PROGRAM), role, url, queue, str(tables[-1])),
                    *map(str, numbers),
                ],
                env=environment(
                    OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
                    OTEL_TRACES_SAMPLER="traceidratio",
                    OTEL_TRACES_SAMPLER_ARG="0.001",
                ),
                text=True,
                stderr=subprocess.PIPE,
            )
            stack.callback(process.kill)
            return process

        part = MESSAGES // _PUBLISHERS
        consumers = [start("consume", seed) for seed in range(_CONSUMERS)]
        publishers = [
            start("publish", number * part, (number + 1) * part) for number in range(_PUBLISHERS)
        ]
        deadline = time.monotonic() + _SECONDS
        while any(process.poll() is None for process in publishers):
            assert time.monotonic() < deadline, f"not published within {_SECONDS} s"
            time.sleep(0.5)
            if drops:
                network.reset()

        def is_empty() -> bool:
            counts = broker.queue_counts(queue)
            return counts.get("rabbitmq_detailed_queue_messages") == 0

        # Twice, since what the pages show is a little old.
        for _ in range(2):
            time.sleep(1)
            until(is_empty, "the queue is worked off", max(1, deadline - time.monotonic()))
        for process in consumers:
            process.terminate()
        for process in (*consumers, *publishers):
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 0, errors
        after = broker.counts()
        run = Run(
            {name: after[full] - before.get(full, 0) for name, full in _COUNTED.items()},
            _attempts_in(broker, dead),
            sink,
            tables,
        )
        run.show()
        yield run
        broker.delete(queue, dead)


def _attempts_in(broker: Broker, queue: str) -> set[str]:
    found: list[str] = []
    with broker.channel() as channel:
        while True:
            method, properties, _body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                break
            found.append(properties.correlation_id)
    assert len(found) == len(set(found)), "a dead letter came twice"
    return set(found)


def test_all_counts_are_equal(broker: Broker, tmp_path: Path) -> None:
    """Sent, delivered, settled and delivered again: as often for clients, broker and tables."""
    with ran(broker, tmp_path, drops=False) as run:
        sent = run.client("messaging.client.sent.messages", "error.type")
        consumed = run.client("messaging.client.consumed.messages")
        processed = run.client("messaging.process.duration", "error.type")
        settled = run.client("messaging.rabbitmq.settled.messages", _SETTLEMENT)
        redelivered = run.client("messaging.rabbitmq.redelivered.messages")
        waited = run.client("messaging.rabbitmq.queue.duration")
        outcomes = run.table(_BY_OUTCOME)

    deliveries = sum(outcomes.values())
    assert sent == {None: MESSAGES}
    assert settled == outcomes
    assert consumed == waited == {None: deliveries}
    assert processed == {(None if key == "ack" else key): n for key, n in outcomes.items()}
    assert redelivered == {None: run.table(_REDELIVERED)[1]} == {None: outcomes["requeue"]}
    assert run.drops == 0
    assert run.broker == {
        "received": MESSAGES,
        "confirmed": MESSAGES,
        "delivered": deliveries,
        "redelivered": outcomes["requeue"],
        "acknowledged": outcomes["ack"],
    }
    assert len(run.dead) == outcomes["reject"]
    assert len(run.rows("SELECT id FROM effects")) == outcomes["ack"]


def test_every_difference_has_its_reason(broker: Broker, tmp_path: Path) -> None:
    """Over a network that cuts all connections again and again, the three rules hold."""
    with ran(broker, tmp_path, drops=True) as run:
        sent = run.client("messaging.client.sent.messages", "error.type")
        consumed = run.client("messaging.client.consumed.messages").get(None, 0)
        processed = sum(run.client("messaging.process.duration").values())
        settled = run.client("messaging.rabbitmq.settled.messages", _SETTLEMENT)
        redelivered = run.client("messaging.rabbitmq.redelivered.messages").get(None, 0)
        outcomes = run.table(_BY_OUTCOME)
        handled = sum(outcomes.values())

    seen = {attempt for (attempt,) in run.rows("SELECT DISTINCT attempt FROM deliveries")}
    tries = run.rows("SELECT attempt, id, confirmed FROM attempts")
    confirmed = {attempt for attempt, _id, was in tries if was}
    unread = PREFETCH * run.drops
    assert run.drops > 0

    # Rule 1.
    assert sent.keys() <= {None, "lost"}
    assert sum(sent.values()) == len(tries)
    assert confirmed <= seen
    assert len(confirmed) == MESSAGES <= sent[None] <= len(seen) == run.broker["received"]
    # Rule 2.
    assert 0 <= run.broker["delivered"] - consumed <= unread
    assert 0 <= consumed - handled <= unread
    assert processed == handled
    assert 0 <= run.broker["redelivered"] - redelivered <= unread
    # Rule 3.
    assert settled == outcomes
    acked = {row for (row,) in run.rows("SELECT attempt FROM deliveries WHERE outcome = 'ack'")}
    rejected = {
        row for (row,) in run.rows("SELECT attempt FROM deliveries WHERE outcome = 'reject'")
    }
    assert run.broker["acknowledged"] == len(seen) - len(run.dead)
    assert run.dead <= rejected
    assert seen - run.dead <= acked
    # The end of it.
    effects = {row for (row,) in run.rows("SELECT id FROM effects")}
    in_dead = {number for attempt, number, _was in tries if attempt in run.dead}
    assert effects | in_dead == set(range(MESSAGES))
