# SPDX-License-Identifier: Apache-2.0
"""Prometheus: panels about its rules, notifications and storage, and about what fires."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.prometheus import ALERTS, SERIES_LIMIT
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import highest, increase, latest, rate
from otel_setup.catalogue.scraped import prometheus as own
from otel_setup.catalogue.scraped.targets import ALERTS as FIRING
from otel_setup.catalogue.scraped.targets import ALERTS_FOR_STATE
from otel_setup.catalogue.whole import Component, Scrape

METRICS = (*own.METRICS, FIRING, ALERTS_FOR_STATE)

SCRAPES = (Scrape(job=own.JOB, says="Prometheus itself: rules, notifications, storage."),)

_NODE = "{{instance}}"


def firing(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which alerts fire now, and whose they are."""
    found = latest(
        FIRING,
        by=["alertname", "severity", "team", "component"],
        where={"alertstate": "firing", "alertname": "!Watchdog"},
        fold="count",
    )
    return Panel(
        title=Text("What fires now?", "Что горит сейчас?"),
        queries=(Query(replace(found, unit=FIRING.unit)),),
        rows=rows,
        leads_to=leads_to,
        shape="table",
        may_be_empty=Text("nothing is wrong", "всё в порядке"),
    )


def series(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many series Prometheus holds."""
    return Panel(
        title=Text("Series in memory", "Ряды в памяти"),
        queries=(Query(latest(own.SERIES), _NODE),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SERIES_LIMIT, "warning"),),
    )


def samples(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many samples are stored."""
    return Panel(
        title=Text("Samples stored", "Сохраняемые значения"),
        queries=(Query(rate(own.SAMPLES, by=["type"]), "{{type}}"),),
        rows=rows,
        leads_to=leads_to,
    )


def samples_refused(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many samples were not stored, and why."""
    return Panel(
        title=Text("Samples refused (5 min)", "Отвергнутые значения (5 мин)"),
        queries=(Query(latest(own.REFUSED), "{{reason}}"),),
        rows=rows,
        leads_to=leads_to,
    )


def storage(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much disk the stored data takes."""
    return Panel(
        title=Text("Space on disk", "Место на диске"),
        queries=(Query(latest(own.BLOCKS), "blocks"), Query(latest(own.WAL), "log")),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def rule_time(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which groups of rules need how much of their interval."""
    share = latest(own.RULE_DURATION) / latest(own.RULE_INTERVAL)
    # A group is called after its file, whose folder says nothing to anybody.
    named = replace(
        share, text=f'label_replace({share.text}, "group", "$1", "rule_group", ".*;(.*)")'
    )
    return Panel(
        title=Text("Are the rules done in time?", "Успевают ли правила?"),
        queries=(Query(highest(10, named), "{{group}}"),),
        why=own.RULE_DURATION.why,
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1, "warning"),),
    )


def rules_broken(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many evaluations of rules failed or were left out."""
    failed = increase(own.RULE_FAILURES)
    missed = replace(increase(own.RULES_MISSED), unit=failed.unit)
    return Panel(
        title=Text("Rules that failed or were left out", "Правила с ошибкой и пропущенные"),
        queries=(Query(failed, "failed"), Query(missed, "left out")),
        why=own.RULE_FAILURES.why,
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1),),
    )


def notifications(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many alerts go to Alertmanager, and how many do not arrive."""
    return Panel(
        title=Text("Alerts sent to Alertmanager", "Алерты, отправленные в Alertmanager"),
        queries=(
            Query(rate(own.NOTIFICATIONS_SENT), "sent"),
            Query(rate(own.NOTIFICATIONS_FAILED), "failed"),
            Query(rate(own.NOTIFICATIONS_DROPPED), "dropped"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def component(*, owner: str = "platform", dashboard: str = "telemetry") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="prometheus",
        title=Text("Prometheus", "Prometheus"),
        owner=owner,
        source=Source.EXPORTER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=(own.JOB,),
    )


COMPONENT = component()
