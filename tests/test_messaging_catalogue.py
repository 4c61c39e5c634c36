# SPDX-License-Identifier: Apache-2.0
"""What users of message queues choose: a target, alerts of their own, the broker beside them."""

from __future__ import annotations

import pytest

from otel_setup.catalogue import messaging, rabbitmq, services
from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.entries.messaging import PROCESS_DURATION, QUEUE_DURATION
from otel_setup.catalogue.model import Metric, Text
from otel_setup.catalogue.whole import Catalogue, CatalogueError, Component
from services_demo.catalogue.company import CATALOGUE

REASON = Text("Ours says it better.", "Наш скажет лучше.")


def alert(name: str, component: Component) -> Alert:
    """Return the alert *name* of *component*."""
    (found,) = (each for each in component.alerts if each.name == name)
    return found


def metric(name: str, component: Component) -> Metric:
    """Return the metric *name* of *component*."""
    (found,) = (each for each in component.metrics if each.name == name)
    return found


def test_a_user_says_how_long_messages_may_wait() -> None:
    """Both in the rule and in what it tells."""
    slow = alert("MessagesWaitLong", messaging.component(wait_seconds=300))
    assert slow.expr.text.count("> 300") == 2
    assert "300 s" in slow.meaning
    assert isinstance(slow.meaning, Text)
    assert "300 с" in slow.meaning.ru


def test_an_alert_that_is_left_out_leaves_its_reason_with_its_metrics() -> None:
    """They are watched by something else, and say by what."""
    made = messaging.component(without={"MessageProcessingFails": REASON})
    assert "MessageProcessingFails" not in {each.name for each in made.alerts}
    assert metric(PROCESS_DURATION.name, made).no_alert == REASON
    assert metric(QUEUE_DURATION.name, made).no_alert == ""


def test_an_alert_that_is_none_cannot_be_left_out() -> None:
    """A name that was typed wrongly would leave the alert in."""
    with pytest.raises(
        ValueError, match=r"without=\['QueueGrows'\]: no such alert .* MessagesWait"
    ):
        messaging.component(without={"QueueGrows": REASON})


def test_alerts_of_the_broker_hold_back_ours_about_the_same_fault() -> None:
    """For the same queue, where both name one."""
    made = messaging.component(beside_broker=True)
    deaf, missing = alert("ConsumerDeaf", made), alert("ConfirmsMissing", made)
    assert (deaf.inhibited_by, deaf.inhibited_on) == (("QueueHasNoConsumers",), ("queue",))
    assert missing.inhibited_by == ("PublishersBlocked", "RabbitmqDown", "RabbitmqAlarm")


def test_ours_beside_the_broker_need_the_broker() -> None:
    """Without its component there is nothing that could hold them back."""
    parts = services.components(messages=messaging.component(beside_broker=True))
    with pytest.raises(CatalogueError, match="inhibited by 'RabbitmqDown', which is no alert"):
        Catalogue(title="Mine", components=parts, dashboards=services.DASHBOARDS)


def test_every_alert_of_the_broker_that_ours_know_is_there() -> None:
    """A name that changes there would change here."""
    known = {each.name for each in (*rabbitmq.ALERTS, *messaging.ALERTS)}
    made = messaging.component(beside_broker=True)
    assert {name for each in made.alerts for name in each.inhibited_by} <= known


def test_what_customers_feel_is_told_before_what_explains_it() -> None:
    """An event that is late is told once: the wait in the queue lasts longer until it is told."""
    wait, delayed = CATALOGUE.alerts["MessagesWaitLong"], CATALOGUE.alerts["EventsDelayed"]
    assert "EventsDelayed" in wait.inhibited_by
    assert wait.labels["queue"] != delayed.labels["queue"] != ""
    assert int(wait.lasts.rstrip("m")) > int(delayed.lasts.rstrip("m"))
