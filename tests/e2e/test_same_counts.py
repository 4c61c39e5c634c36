# SPDX-License-Identifier: Apache-2.0
"""
Three who count the same events agree: the services' telemetry, the broker, the databases.

Its traffic drives the first orders out of the trace store, so it comes after who looks for them.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from typing import NamedTuple

import httpx
import pytest

from e2e.running import Stack, poll_until
from services_demo.stack.infrastructure import RABBITMQ_USER
from services_demo.stack.layout import REPOSITORY
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

#: Queue → the database of the service that consumes it.
QUEUES = {"shop.orders": "shop", "mes.orders": "mes", "crm.orders": "crm"}
#: The services that have an outbox.
SENDERS = ("shop", "mes")
_TRAFFIC_SECONDS = 25
#: Longer than any of them waits between two looks.
_LOOKS_SECONDS = 6.0

#: By job and instance: totals of a process that ended are not those of its successor.
Totals = dict[tuple[str, str, str], float]


class Counts(NamedTuple):
    """What each of the three has counted so far."""

    sent: Totals
    settled: Totals
    acked: dict[str, int]
    outbox: dict[str, int]
    inbox: dict[str, int]


def _totals(stack: Stack, metric: str, label: str) -> Totals:
    return {
        (each.labels["job"], each.labels["instance"], each.labels[label]): each.value
        for each in stack.query(metric)
    }


def _count(stack: Stack) -> Counts:
    auth = (RABBITMQ_USER, stack.place.secret)
    queues = httpx.get(f"{stack.url('rabbitmq_page')}/api/queues/%2F", auth=auth, timeout=10).json()
    return Counts(
        sent=_totals(
            stack,
            'messaging_client_sent_messages_total{error_type="",job=~"shop-.*|mes-.*"}',
            "messaging_destination_name",
        ),
        settled=_totals(
            stack,
            'messaging_rabbitmq_settled_messages_total{messaging_rabbitmq_settlement="ack"}',
            "messaging_rabbitmq_queue_name",
        ),
        acked={each["name"]: each.get("message_stats", {}).get("ack", 0) for each in queues},
        outbox={
            each: stack.rows(each, "SELECT count(*) FROM outbox WHERE sent_at IS NOT NULL")[0][0]
            for each in SENDERS
        },
        inbox={
            queue: stack.rows(database, "SELECT count(*) FROM inbox")[0][0]
            for queue, database in QUEUES.items()
        },
    )


def _settled(stack: Stack) -> Counts:
    """Return the counts when nothing happens: each of the three looks every few seconds only."""

    def twice() -> tuple[Counts, Counts]:
        first = _count(stack)
        time.sleep(_LOOKS_SECONDS)
        return first, _count(stack)

    return poll_until(twice, lambda seen: seen[0] == seen[1], "the company to be quiet", 90)[1]


def _since(now: Totals, before: Totals, part: int) -> Counter[str]:
    """Return what was added, by one part of the key: 0 is the job, 2 the label."""
    added: Counter[str] = Counter()
    for key, value in now.items():
        added[key[part]] += int(value - before.get(key, 0))
    return added


def test_events_are_counted_alike(stack: Stack, busy: FollowedOrder) -> None:
    """
    Nothing is redelivered in a calm company, so there is no difference to explain.

    A message in an outbox is sent once; each queue gets it, settles it, and its service has
    noted its id.
    """
    assert busy.order_id
    before = _settled(stack)
    subprocess.run(
        stack.traffic(_TRAFFIC_SECONDS),
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        timeout=_TRAFFIC_SECONDS + 60,
    )

    def differences() -> dict[str, tuple[int, ...]]:
        now = _count(stack)
        settled = _since(now.settled, before.settled, 2)
        sent: Counter[str] = Counter()
        for job, value in _since(now.sent, before.sent, 0).items():
            sent[job.partition("-")[0]] += value
        found: dict[str, tuple[int, ...]] = {
            queue: (
                settled[queue],
                now.acked[queue] - before.acked.get(queue, 0),
                now.inbox[queue] - before.inbox[queue],
            )
            for queue in QUEUES
        }
        for each in SENDERS:
            found[each] = (sent[each], now.outbox[each] - before.outbox[each])
        return found

    seen = poll_until(
        differences,
        lambda seen: all(len(set(counts)) == 1 for counts in seen.values()),
        "telemetry, broker and database to say the same",
        60,
    )

    assert all(min(counts) > 0 for counts in seen.values())
    # Every event goes to the CRM, and to one other service at most.
    assert seen["crm.orders"][0] == seen["shop"][0] + seen["mes"][0]
