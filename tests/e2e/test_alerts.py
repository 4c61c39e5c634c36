# SPDX-License-Identifier: Apache-2.0
"""Somebody is told: of a real fault on real parts, of nothing else, and of its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pika
import pytest

from e2e.alarms import (
    BESIDES,
    BUSY,
    WATCHDOG,
    begin,
    firing,
    heard,
    heartbeat,
    news,
    notifications,
    wait,
)
from e2e.running import Stack, poll_until
from services_demo.stack import traces
from services_demo.stack.infrastructure import RABBITMQ_USER
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def _rules(stack: Stack) -> Iterator[dict[str, Any]]:
    answer = httpx.get(f"{stack.url('prometheus')}/api/v1/rules", timeout=10)
    for group in answer.json()["data"]["groups"]:
        yield from group["rules"]


@pytest.fixture(name="channel")
def _channel(stack: Stack) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    place = stack.place
    url = f"amqp://{RABBITMQ_USER}:{place.secret}@{place.address('amqp')}/%2F"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


def test_the_heartbeat_arrives(stack: Stack) -> None:
    """The alert that always fires has come all the way to the pager."""
    seen = poll_until(
        lambda: heartbeat(stack), lambda seen: seen["state"] == "alive", "the first heartbeat", 60
    )

    assert seen["age_seconds"] < 60


def test_every_rule_evaluates(stack: Stack, busy: FollowedOrder) -> None:
    """No rule fails on the data of a busy company."""
    assert busy.order_id

    rules = list(_rules(stack))

    assert len(rules) > 0
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []


def test_a_healthy_company_is_quiet(stack: Stack, busy: FollowedOrder) -> None:
    """Through its start and a minute of traffic nothing fires, and nobody was told of anything."""
    assert busy.order_id
    # Most alerts hold for a minute or less before they are told: what is wrong would show.
    time.sleep(60)

    told = {each["labels"]["alertname"]: each["annotations"] for each in notifications(stack)}

    assert firing(stack) - BUSY == {WATCHDOG}
    assert {name: told[name] for name in told.keys() - BUSY} == {}


# It leaves a dead letter, and a trace that nothing led to.
@pytest.mark.kills
def test_a_message_that_cannot_be_handled_is_told_within_seconds(
    stack: Stack, busy: FollowedOrder, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    """Its notification names queue, event and team, and leads to runbook, expression and trace."""
    assert busy.order_id
    began = begin(stack)
    channel.basic_publish("", "mes.orders", b"poison", pika.BasicProperties(type="order.placed"))

    told = wait(stack, "EventHandlingFails", began, 30)

    labels = {
        "job": "mes-worker",
        "messaging_destination_name": "mes.orders",
        "event": "order.placed",
        "error_type": "Refuse",
    }
    rule = {"severity": "critical", "urgency": "now", "team": "mes", "component": "bus"}
    assert told["labels"].items() >= {**labels, **rule}.items()
    assert told["received_at"] - began < 10
    assert told["annotations"]["summary"] == (
        "mes-worker could not handle an event order.placed of queue mes.orders."
    )
    assert told["annotations"]["description"] == "Failed attempts: 1 (Refuse, refused)."
    page = httpx.get(stack.url("pager") + told["links"]["runbook"], timeout=10)
    assert (page.status_code, "<h3>EventHandlingFails</h3>" in page.text) == (200, True)
    assert told["links"]["expression"].startswith(stack.url("prometheus"))
    _assert_a_trace_of("mes-worker", stack, began)


def _assert_a_trace_of(service: str, stack: Stack, began: float) -> None:
    """A trace link of the notification leads to a trace in Zipkin with an error of *service*."""
    told = poll_until(
        lambda: heard(stack, "EventHandlingFails", began),
        lambda found: bool(found and found[0]["links"]["traces"]),
        "a trace in the notification",
        30,
    )
    trace_id, url = told[0]["links"]["traces"][0]
    assert url == traces.page(stack.url("zipkin"), trace_id)
    spans = poll_until(
        lambda: httpx.get(f"{stack.url('zipkin')}/api/v2/trace/{trace_id}", timeout=10),
        lambda answer: answer.status_code == httpx.codes.OK,
        "the trace in Zipkin",
        30,
    ).json()
    failed = {
        span["localEndpoint"]["serviceName"] for span in spans if "error" in span.get("tags", {})
    }
    assert failed == {service}


@pytest.mark.kills
def test_a_queue_without_consumers_is_told_and_its_recovery_too(
    stack: Stack, busy: FollowedOrder
) -> None:
    """A worker that is away has its queue named within a minute, and the end is told as well."""
    assert busy.order_id
    began = begin(stack)
    with stack.without("shop-worker"):
        told = wait(stack, "QueueHasNoConsumers", began, 90)
    over = wait(stack, "QueueHasNoConsumers", began, 90, "resolved")

    assert told["labels"]["queue"] == "shop.orders"
    assert over["resolved_at"] > told["received_at"]


@pytest.mark.kills
def test_the_end_is_told_although_alertmanager_was_killed(
    stack: Stack, busy: FollowedOrder
) -> None:
    """After kill -9 Alertmanager still knows whom it has told what, and tells the end of it."""
    assert busy.order_id
    began = begin(stack)
    with stack.without("crm-worker"):
        told = wait(stack, "QueueHasNoConsumers", began, 90)
        # It writes down what it has told every 5 seconds.
        time.sleep(8)
        os.kill(stack.control.processes()["alertmanager"]["pid"], signal.SIGKILL)
    over = wait(stack, "QueueHasNoConsumers", began, 120, "resolved")

    assert told["labels"]["queue"] == "crm.orders"
    assert over["starts_at"] == told["starts_at"]


@pytest.mark.kills
def test_a_collector_that_is_away_is_one_notification(stack: Stack, busy: FollowedOrder) -> None:
    """What is blind without it fires as well and is held back: its own alert says it all."""
    assert busy.order_id
    blind = {"PostgresSilent", "TargetDown"}
    began = begin(stack)
    with stack.without("otelcol"):
        wait(stack, "CollectorDown", began, 90)
        poll_until(lambda: firing(stack), lambda seen: blind <= seen, f"{blind} to fire", 240)
    over = wait(stack, "CollectorDown", began, 90, "resolved")
    # What was held back may be told when its cause is over, if it still fires.
    time.sleep(45)

    assert over["resolved_at"] > began
    assert news(stack, began) - BESIDES == {"CollectorDown"}


@pytest.mark.kills
def test_monitoring_that_died_is_seen_by_its_silence(stack: Stack, busy: FollowedOrder) -> None:
    """Without Prometheus nobody sends an alert: the pager raises the alarm itself, and ends it."""
    assert busy.order_id
    began = begin(stack)
    with stack.without("prometheus"):
        poll_until(lambda: heartbeat(stack)["state"], lambda seen: seen == "silent", "silence", 200)
        page = httpx.get(stack.url("pager"), timeout=10).text
        print(f"silence told {time.time() - began:.0f} s after the end")  # noqa: T201 - with -rP
    alive = poll_until(
        lambda: heartbeat(stack), lambda seen: seen["state"] == "alive", "the next heartbeat", 90
    )

    assert "MONITORING IS SILENT" in page
    assert alive["age_seconds"] < 60


@pytest.mark.kills
def test_what_was_told_outlives_the_pager(stack: Stack, busy: FollowedOrder) -> None:
    """After kill -9 the page shows the same notifications, and the heartbeat comes again."""
    assert busy.order_id
    before = notifications(stack)
    pid = stack.control.processes()["pager"]["pid"]
    os.kill(pid, signal.SIGKILL)

    after = poll_until(
        lambda: notifications(stack), lambda seen: seen == before, "the same notifications", 30
    )
    alive = poll_until(
        lambda: heartbeat(stack), lambda seen: seen["state"] == "alive", "the next heartbeat", 60
    )

    assert after == before
    assert alive["age_seconds"] < 60
