# SPDX-License-Identifier: Apache-2.0
"""What a consumer tells about the events of its queue."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from types import ModuleType
from uuid import uuid4

import psycopg
import pytest
from opentelemetry.sdk.metrics.export import Histogram

from services_demo.bus import NotYet, Refuse
from services_demo.bus import telemetry as module
from services_demo.catalogue import bus as catalogue
from services_demo.messages import OrderCancelled
from tests.conftest import Telemetry

FAILURES, DELAY = catalogue.EVENT_FAILURES.name, catalogue.EVENT_DELAY.name


@pytest.fixture(name="bus")
def _bus(telemetry: Telemetry) -> ModuleType:
    """The module with instruments that the test can read."""
    assert telemetry
    return importlib.reload(module)


def failures(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Return what was counted, by queue, event, outcome and error."""
    keys = ("messaging.destination.name", "event", "outcome", "error.type")
    return {
        tuple(str(dict(labels)[key]) for key in keys): value
        for labels, value in telemetry.values(FAILURES).items()
    }


def delay(telemetry: Telemetry) -> tuple[float, dict[str, object]]:
    """Return the only delay that was recorded, with its attributes."""
    metric = telemetry.metric(DELAY)
    assert metric is not None
    assert isinstance(metric.data, Histogram)
    (point,) = metric.data.data_points
    return point.sum, dict(point.attributes or {})


def test_the_delay_counts_from_what_happened(telemetry: Telemetry, bus: ModuleType) -> None:
    """An order that was cancelled a minute ago is a minute late when that is handled."""
    happened = datetime.now(UTC) - timedelta(minutes=1)

    bus.event_handled("mes.orders", OrderCancelled(order_id=uuid4(), occurred_at=happened))

    seconds, labels = delay(telemetry)
    assert seconds == pytest.approx(60, abs=5)
    assert labels == {"messaging.destination.name": "mes.orders", "event": "order.cancelled"}


def test_a_clock_ahead_of_ours_gives_no_negative_delay(
    telemetry: Telemetry, bus: ModuleType
) -> None:
    """A sender in the future is a fault of its clock, not a delay."""
    ahead = datetime.now(UTC) + timedelta(hours=1)

    bus.event_handled("mes.orders", OrderCancelled(order_id=uuid4(), occurred_at=ahead))

    assert delay(telemetry)[0] == 0


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
    telemetry: Telemetry, bus: ModuleType, error: Exception, outcome: str, kind: str
) -> None:
    """Refused is lost unless somebody acts, retried may pass; the error has one of four names."""
    bus.event_failed("crm.orders", "order.priced", error)

    assert failures(telemetry) == {("crm.orders", "order.priced", outcome, kind): 1}


@pytest.mark.parametrize("event", ["order.melted", "", None])
def test_a_type_that_nobody_knows_makes_no_new_series(
    telemetry: Telemetry, bus: ModuleType, event: str | None
) -> None:
    """What strangers send must not become labels."""
    bus.event_failed("crm.orders", event, Refuse("unknown type"))

    assert failures(telemetry) == {("crm.orders", "unknown", "refused", "Refuse"): 1}


@pytest.mark.parametrize(
    ("queue", "events"),
    [
        ("shop.orders", {"order.priced", "order.pricing_failed", "order.state_changed"}),
        ("mes.orders", {"order.placed", "order.approved", "order.cancelled"}),
        ("crm.orders", set(catalogue.EVENTS)),
    ],
)
def test_every_failure_that_may_come_is_counted_from_0_on(
    telemetry: Telemetry, bus: ModuleType, queue: str, events: set[str]
) -> None:
    """The first failure of an event is a rise from 0 to 1, also for whoever scrapes."""
    bus.expect_events(queue)

    counted = failures(telemetry)
    assert {event for _queue, event, *_rest in counted} == {*events, "unknown"}
    assert {error for *_rest, error in counted} == set(catalogue.ERRORS)
    assert set(counted.values()) == {0}


def test_a_failure_that_was_expected_stays_in_its_series(
    telemetry: Telemetry, bus: ModuleType
) -> None:
    """What is counted later has the labels that were announced."""
    bus.expect_events("crm.orders")
    before = set(failures(telemetry))

    for error in (Refuse(""), NotYet(""), psycopg.DataError(), OSError()):
        bus.event_failed("crm.orders", "order.placed", error)

    assert set(failures(telemetry)) == before
