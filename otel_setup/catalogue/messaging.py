# SPDX-License-Identifier: Apache-2.0
"""
Messages over RabbitMQ as services see them: panels, a dashboard and alerts, by ``job``.

The broker counts what passes it (`otel_setup.catalogue.rabbitmq`); only its clients know how
long a message waited and was worked on, why it failed, and who cannot reach the broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.alerts import messaging as alerts_of_messages
from otel_setup.catalogue.alerts import messaging_clients as alerts_of_clients
from otel_setup.catalogue.alerts.messaging import WAIT_SECONDS
from otel_setup.catalogue.boards import Dashboard, Section, Variable
from otel_setup.catalogue.client_panels import (
    blocked,
    closed,
    confirm_time,
    confirms,
    connected,
    opened,
    operations,
    refused,
    sent,
    unconfirmed,
    unconfirmed_age,
)
from otel_setup.catalogue.entries.messaging import CONNECTIONS, METRICS
from otel_setup.catalogue.message_panels import (
    consumed,
    consumers,
    failing,
    held,
    in_hand,
    losses,
    processing,
    redelivered,
    settled,
    skews,
    untraced,
    waits,
)
from otel_setup.catalogue.model import Metric, Source, Text
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "DASHBOARD",
    "METRICS",
    "WAIT_SECONDS",
    "blocked",
    "closed",
    "component",
    "confirm_time",
    "confirms",
    "connected",
    "consumed",
    "consumers",
    "failing",
    "held",
    "in_hand",
    "losses",
    "opened",
    "operations",
    "processing",
    "redelivered",
    "refused",
    "sent",
    "settled",
    "skews",
    "unconfirmed",
    "unconfirmed_age",
    "untraced",
    "waits",
]

ALERTS = (*alerts_of_messages.alerts(), *alerts_of_clients.ALERTS)

_JOB = "~$job"


class _Cause(NamedTuple):
    """Alerts of the broker that say the same and more, and the labels that are then equal."""

    alerts: tuple[str, ...]
    on: tuple[str, ...] = ()


_QUEUE = ("queue",)

#: Ours → the broker's.
_TOLD_BY_BROKER = {
    "MessagesWaitLong": _Cause(("QueueHasNoConsumers", "QueueGrows", "QueueConsumerStuck"), _QUEUE),
    "ConsumerDeaf": _Cause(("QueueHasNoConsumers",), _QUEUE),
    "MessagesHeldTooLong": _Cause(("QueueConsumerStuck",), _QUEUE),
    "PublishingFails": _Cause(("RabbitmqDown", "RabbitmqAlarm", "MessagesUnroutable")),
    "ConfirmsMissing": _Cause(("RabbitmqDown", "RabbitmqAlarm")),
    "PublishersBlocked": _Cause(("RabbitmqAlarm",)),
    "ClientsLoseConnections": _Cause(("RabbitmqDown",)),
    "ClientCannotConnect": _Cause(("RabbitmqDown",)),
}


def component(  # noqa: PLR0913 - all are a choice
    *,
    owner: str = "platform",
    dashboard: str = "messaging",
    scraped: tuple[str, ...] = (),
    wait_seconds: float = WAIT_SECONDS,
    beside_broker: bool = False,
    without: Mapping[str, str] | None = None,
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    A message that waits in its queue for over *wait_seconds* is late. *beside_broker* says that
    `rabbitmq.component` is in the catalogue too, whose alerts then hold back ours about the same
    fault. *without* maps the name of an alert that you do not want to the reason, which its
    metrics then give in ``no_alert``.

    Raises:
        ValueError: *without* names what is no alert of ours.
    """
    left_out = without or {}
    every = (*alerts_of_messages.alerts(wait_seconds), *alerts_of_clients.ALERTS)
    if unknown := sorted(left_out.keys() - {alert.name for alert in every}):
        names = ", ".join(alert.name for alert in every)
        raise ValueError(f"without={unknown!r}: no such alert about messages. There are: {names}.")
    kept = [alert for alert in every if alert.name not in left_out]
    reasons = {
        name: left_out[alert.name]
        for alert in every
        if alert.name in left_out
        for name in alert.expr.metrics
    }
    for alert in kept:
        for name in alert.expr.metrics:
            reasons.pop(name, None)
    return Component(
        name="messaging",
        title=Text("Messages in services", "Сообщения в сервисах"),
        owner=owner,
        source=Source.SEMCONV,
        metrics=tuple(_explained(metric, reasons) for metric in METRICS),
        alerts=tuple(
            replace(_linked(alert) if beside_broker else alert, dashboard=dashboard)
            for alert in kept
        ),
        scraped=scraped,
    )


def _explained(metric: Metric, reasons: Mapping[str, str]) -> Metric:
    return replace(metric, no_alert=reasons[metric.name]) if metric.name in reasons else metric


def _linked(alert: Alert) -> Alert:
    cause = _TOLD_BY_BROKER.get(alert.name)
    if cause is None:
        return alert
    return replace(alert, inhibited_by=(*alert.inhibited_by, *cause.alerts), inhibited_on=cause.on)


COMPONENT = component()

DASHBOARD = Dashboard(
    slug="messaging",
    title=Text("Messages in services", "Сообщения в сервисах"),
    asks=Text(
        "Does this service get its messages done and its own across, and does it reach the broker?",
        "Справляется ли этот сервис с сообщениями, доходят ли его собственные и виден ли брокер?",
    ),
    sections=(
        Section(
            title=Text("Does it get its messages done?", "Справляется ли он с сообщениями?"),
            panels=(consumed(_JOB), settled(_JOB), failing(_JOB), redelivered(_JOB)),
        ),
        Section(
            title=Text("How long does it take?", "Сколько это длится?"),
            panels=(waits(_JOB), processing(_JOB), operations(_JOB)),
        ),
        Section(
            title=Text("Does it listen, and let go?", "Слушает ли он и отпускает ли взятое?"),
            panels=(consumers(_JOB), losses(_JOB), in_hand(_JOB), held(_JOB)),
        ),
        Section(
            title=Text("Does what it sends arrive?", "Доходит ли отправленное?"),
            panels=(sent(_JOB), refused(_JOB), confirms(_JOB), confirm_time(_JOB)),
        ),
        Section(
            title=Text("Does it wait for the broker?", "Ждёт ли он брокера?"),
            panels=(unconfirmed(_JOB), unconfirmed_age(_JOB), blocked(_JOB)),
        ),
        Section(
            title=Text("Do its connections hold?", "Держатся ли его соединения?"),
            panels=(connected(_JOB), opened(_JOB), closed(_JOB)),
        ),
        Section(
            title=Text("Can these numbers be believed?", "Можно ли верить этим числам?"),
            panels=(skews(_JOB), untraced(_JOB)),
        ),
    ),
    variables=(Variable(name="job", label="job", metric=CONNECTIONS),),
)
