# SPDX-License-Identifier: Apache-2.0
"""Scraping: panels about the targets of Prometheus, whatever they are."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.scraping import TARGETS as ALERTS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import highest, latest
from otel_setup.catalogue.scraped.targets import (
    SAMPLES_KEPT,
    SAMPLES_SCRAPED,
    SCRAPE_DURATION,
    SERIES_ADDED,
    TARGET_INFO,
    UP,
)
from otel_setup.catalogue.whole import Component, Scrape

METRICS = (UP, SCRAPE_DURATION, SAMPLES_SCRAPED, SAMPLES_KEPT, SERIES_ADDED, TARGET_INFO)

#: The job of applications that serve /metrics themselves instead of sending OTLP.
DIRECT = Scrape(
    job="direct",
    says="Applications that serve /metrics themselves instead of sending OTLP. Each says which "
    "service it is; its own labels win.",
    honor_labels=True,
)

_BY_JOB = ["job"]
_JOB = "{{job}}"


def targets(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which targets answer: the worst of each job."""
    return Panel(
        title=Text("Do all targets answer?", "Все ли цели отвечают?"),
        queries=(Query(latest(UP, by=_BY_JOB, fold="min"), _JOB),),
        why=Text(
            "1 means that every target of the job answers, 0 that at least one does not.",
            "1: отвечают все цели задания, 0: хотя бы одна не отвечает.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(0), Threshold(1, "good")),
    )


def scrape_time(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long the scrapes of each job take."""
    return Panel(
        title=Text("How long do scrapes take?", "Сколько длятся опросы?"),
        queries=(Query(latest(SCRAPE_DURATION, by=_BY_JOB, fold="max"), _JOB),),
        rows=rows,
        leads_to=leads_to,
    )


def samples_by_job(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much each job offers, and how much of it is stored."""
    return Panel(
        title=Text("Samples offered and kept", "Значения: отдано и сохранено"),
        queries=(
            Query(latest(SAMPLES_SCRAPED, by=_BY_JOB, fold="sum"), "{{job}} offered"),
            Query(latest(SAMPLES_KEPT, by=_BY_JOB, fold="sum"), "{{job}} kept"),
        ),
        why=SAMPLES_KEPT.why,
        rows=rows,
        leads_to=leads_to,
        shape="bars",
    )


def new_series(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which jobs bring new series."""
    added = latest(SERIES_ADDED, by=_BY_JOB, fold="sum")
    return Panel(
        title=Text("Who brings new series?", "Кто приносит новые ряды?"),
        queries=(Query(highest(10, added), _JOB),),
        rows=rows,
        leads_to=leads_to,
    )


def component(
    *,
    owner: str = "platform",
    dashboard: str = "telemetry",
    scraped: tuple[str, ...] = (DIRECT.job,),
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs of instrumented applications, whose ``target_info`` is kept.
    """
    return Component(
        name="scraping",
        title=Text("Scraped targets", "Опрашиваемые цели"),
        owner=owner,
        source=Source.EXPORTER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
