# SPDX-License-Identifier: Apache-2.0
"""Alertmanager: panels about what was told to whom."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.alertmanager import ALERTS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import increase, latest, quantile, rate
from otel_setup.catalogue.scraped.alertmanager import (
    ACTIVE,
    FAILED,
    JOB,
    LATENCY,
    METRICS,
    NOTIFICATIONS,
)
from otel_setup.catalogue.whole import Component, Scrape

SCRAPES = (Scrape(job=JOB, says="Alertmanager: what it told to whom."),)

_BY = ["integration"]
_INTEGRATION = "{{integration}}"


def told(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how often people are told, by the way of telling."""
    return Panel(
        title=Text("Notifications", "Уведомления"),
        queries=(Query(rate(NOTIFICATIONS, by=_BY) > 0, _INTEGRATION),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text("nobody had to be told", "сообщать было не о чем"),
    )


def failed(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many notifications could not be sent."""
    return Panel(
        title=Text("Notifications that failed", "Неудавшиеся уведомления"),
        queries=(Query(increase(FAILED), "failed"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1),),
    )


def delay(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long it takes to send a notification."""
    return Panel(
        title=Text("How long does telling take (p95)?", "Сколько длится уведомление (p95)?"),
        # Ways that nobody uses have no quantile: they are no number, which is no answer.
        queries=(Query(quantile(0.95, LATENCY, by=_BY) >= 0, _INTEGRATION),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text("nobody had to be told", "сообщать было не о чем"),
    )


def known(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many alerts are told, and how many are held back."""
    return Panel(
        title=Text("Alerts told and held back", "Алерты: сообщены и придержаны"),
        queries=(Query(latest(ACTIVE, by=["state"], fold="sum"), "{{state}}"),),
        rows=rows,
        leads_to=leads_to,
    )


def component(*, owner: str = "platform", dashboard: str = "telemetry") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="alertmanager",
        title=Text("Alertmanager", "Alertmanager"),
        owner=owner,
        source=Source.EXPORTER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=(JOB,),
    )


COMPONENT = component()
