# SPDX-License-Identifier: Apache-2.0
"""What a consumer tells about the events of its queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from otel_setup.testing import Telemetry
from services_demo.bus import NotYet, Refuse
from services_demo.bus import telemetry as bus
from services_demo.catalogue import bus as catalogue
from services_demo.messages import OrderCancelled

FAILURES, DELAY = catalogue.EVENT_FAILURES.name, catalogue.EVENT_DELAY.name


def failures(otel: Telemetry) -> dict[tuple[str, ...], float]:
    """Return what was counted, by queue, event, outcome and error."""
    return otel.metric(FAILURES).by("messaging.destination.name", "event", "outcome", "error.type")


def test_the_delay_counts_from_what_happened(otel: Telemetry) -> None:
    """An order that was cancelled a minute ago is a minute late when that is handled."""
    happened = datetime.now(UTC) - timedelta(minutes=1)

    bus.event_handled("mes.orders", OrderCancelled(order_id=uuid4(), occurred_at=happened))

    delay = otel.metric(DELAY).point()
    assert delay.sum == pytest.approx(60, abs=5)
    assert delay.labels == {"messaging.destination.name": "mes.orders", "event": "order.cancelled"}


def test_a_clock_ahead_of_ours_gives_no_negative_delay(otel: Telemetry) -> None:
    """A sender in the future is a fault of its clock, not a delay."""
    ahead = datetime.now(UTC) + timedelta(hours=1)

    bus.event_handled("mes.orders", OrderCancelled(order_id=uuid4(), occurred_at=ahead))

    assert otel.metric(DELAY).point().sum == 0


@pytest.mark.parametrize(
    ("error", "outcome", "kind"),
    [
        (Refuse("never placed here"), "refused", "Refuse"),
        (NotYet("not known yet"), "retried", "NotYet"),
        (psycopg.errors.UniqueViolation(), "retried", "DatabaseError"),
        (ZeroDivisionError(), "retried", "_OTHER"),
    ],
)
def test_a_failure_is_counted_by_what_becomes_of_it(
    otel: Telemetry, error: Exception, outcome: str, kind: str
) -> None:
    """Refused is lost unless somebody acts, retried may pass; the error has one of four names."""
    bus.event_failed("crm.orders", "order.priced", error)

    assert failures(otel) == {("crm.orders", "order.priced", outcome, kind): 1}


@pytest.mark.parametrize("event", ["order.melted", "", None])
def test_a_type_that_nobody_knows_makes_no_new_series(otel: Telemetry, event: str | None) -> None:
    """What strangers send must not become labels."""
    bus.event_failed("crm.orders", event, Refuse("unknown type"))

    assert failures(otel) == {("crm.orders", "unknown", "refused", "Refuse"): 1}


@pytest.mark.parametrize(
    ("queue", "events"),
    [
        ("shop.orders", {"order.priced", "order.pricing_failed", "order.state_changed"}),
        ("mes.orders", {"order.placed", "order.approved", "order.cancelled"}),
        ("crm.orders", set(catalogue.EVENTS)),
    ],
)
def test_every_failure_that_may_come_is_counted_from_0_on(
    otel: Telemetry, queue: str, events: set[str]
) -> None:
    """The first failure of an event is a rise from 0 to 1, also for whoever scrapes."""
    bus.expect_events(queue)

    counted = failures(otel)
    assert {event for _queue, event, *_rest in counted} == {*events, "unknown"}
    assert {error for *_rest, error in counted} == set(catalogue.ERRORS)
    assert set(counted.values()) == {0}


def test_a_failure_that_was_expected_stays_in_its_series(otel: Telemetry) -> None:
    """What is counted later has the labels that were announced."""
    bus.expect_events("crm.orders")
    before = set(failures(otel))

    for error in (Refuse(""), NotYet(""), psycopg.DataError(), OSError()):
        bus.event_failed("crm.orders", "order.placed", error)

    assert set(failures(otel)) == before
