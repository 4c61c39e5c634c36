# SPDX-License-Identifier: Apache-2.0
"""
How much lies in an S3 storage, as the scanner `otel_setup.storage` finds it.

The component is for catalogues of companies that run the scanner; it needs the dashboard.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts import storage as alerts
from otel_setup.catalogue.alerts.storage import ALERTS, BUCKET, USED
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Section, Threshold
from otel_setup.catalogue.entries import storage as entries
from otel_setup.catalogue.entries.storage import (
    CAPACITY,
    OBJECTS,
    SCAN_DURATION,
    SCAN_PAGES,
    SIZE,
    UNFINISHED_UPLOADS,
)
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import latest, quantile, rate, written
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "DASHBOARD",
    "METRICS",
    "USED",
    "age",
    "component",
    "dashboard",
    "failing",
    "filled",
    "growth",
    "left",
    "objects",
    "pages",
    "room",
    "scans",
    "size",
    "unfinished",
    "uploads",
]

METRICS = (*entries.METRICS, USED)

_CLASS = (*BUCKET, "storage.prefix.class")
_NAME = "{{aws_s3_bucket}}"
_OF_CLASS = f"{_NAME} {{{{storage_prefix_class}}}}"
_DAY = 86_400


def size(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the bytes of each bucket and class of keys."""
    return Panel(
        title=title or Text("How much is stored, and what?", "Сколько хранится и чего?"),
        queries=(Query(latest(SIZE, by=_CLASS, fold="max"), _OF_CLASS),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def room(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the bytes of all buckets together, and how many there may be."""
    return Panel(
        title=title or Text("Does it still fit?", "Помещается ли всё это?"),
        queries=(
            Query(latest(USED), "used"),
            Query(latest(CAPACITY, by=["job"], fold="max"), "capacity"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def filled(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the capacity is used."""
    return Panel(
        title=title or Text("How full is the storage?", "Насколько заполнено хранилище?"),
        queries=(Query(alerts.filled(), "{{job}}"),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(alerts.FILLED_SHARE, "warning"), Threshold(1)),
        most=1,
    )


def left(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how long the space lasts at the pace of the last day."""
    growing = f"(deriv({USED.name}[1d]) > 0)"
    until = written(f"({alerts.room().text} - {USED.name}) / {growing}", "s", USED, CAPACITY)
    return Panel(
        title=title or Text("When is it full?", "Когда закончится место?"),
        queries=(Query(until, "{{job}}"),),
        why=Text(
            "At the pace of the last day; it is no more than a line through it.",
            "При темпе последних суток; это всего лишь прямая по ним.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        may_be_empty=Text(
            "What does not grow will never be full.",
            "То, что не растёт, никогда не заполнится.",
        ),
    )


def growth(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return by how much the buckets grow in a day, at the pace of the last day."""
    pace = written(f"deriv({USED.name}[1d]) * {_DAY}", "By", USED)
    return Panel(
        title=title or Text("Growth in a day", "Прирост за сутки"),
        queries=(Query(pace, "{{job}}"),),
        why=Text(
            "Below zero: more is deleted than written.",
            "Меньше нуля — удаляется больше, чем записывается.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def objects(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the objects of each bucket and class of keys."""
    return Panel(
        title=title or Text("How many objects?", "Сколько объектов?"),
        queries=(Query(latest(OBJECTS, by=_CLASS, fold="max"), _OF_CLASS),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def unfinished(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the bytes of unfinished uploads."""
    return Panel(
        title=title or Text("Bytes of unfinished uploads", "Объём незавершённых загрузок"),
        queries=(Query(alerts.unfinished(), _NAME),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(alerts.PILED_BYTES, "warning"),),
    )


def uploads(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many uploads are unfinished."""
    return Panel(
        title=title or Text("Unfinished uploads", "Незавершённые загрузки"),
        queries=(Query(latest(UNFINISHED_UPLOADS, by=BUCKET, fold="max"), _NAME),),
        rows=rows,
        leads_to=leads_to,
    )


def age(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how old the sizes are, in intervals of the scanner."""
    return Panel(
        title=title
        or Text("How old are the sizes, in intervals?", "Насколько стары размеры, в интервалах?"),
        queries=(Query(alerts.intervals(), _NAME),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(alerts.OLD_INTERVALS, "warning"),),
    )


def failing(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many scans of each bucket have failed in a row."""
    return Panel(
        title=title or Text("Scans that failed in a row", "Неудачные сканирования подряд"),
        queries=(Query(alerts.failing(), _NAME),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(alerts.FAILED_SCANS, "warning"),),
    )


def scans(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how long scans take, those that fail apart."""
    each = quantile(0.95, SCAN_DURATION, by=("aws.s3.bucket", "error.type"))
    return Panel(
        title=title or Text("How long do scans take (p95)?", "Сколько длится сканирование (p95)?"),
        queries=(Query(each, f"{_NAME} {{{{error_type}}}}"),),
        rows=rows,
        leads_to=leads_to,
    )


def pages(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many pages the scanner asks for."""
    return Panel(
        title=title or Text("Pages that the scanner asks for", "Страницы, запрошенные сканером"),
        queries=(Query(rate(SCAN_PAGES, by=["aws.s3.bucket"]), _NAME),),
        rows=rows,
        leads_to=leads_to,
    )


def component(
    *, owner: str = "platform", dashboard: str = "storage", scraped: tuple[str, ...] = ()
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if the scanner serves /metrics itself.
    """
    return Component(
        name="storage",
        title=Text("Storage size", "Размер хранилища"),
        owner=owner,
        source=Source.OURS,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


def dashboard(*, rows: tuple[str, ...] = ()) -> Dashboard:
    """Return the dashboard of all panels; *rows* are the questions about size that it answers."""
    return Dashboard(
        slug="storage",
        title=Text("S3: how much is stored", "S3: сколько хранится"),
        asks=Text(
            "How much lies in the storage, when is it full, and is that up to date?",
            "Сколько лежит в хранилище, когда оно заполнится и свежи ли эти числа?",
        ),
        sections=(
            Section(
                title=Text("Is there room?", "Есть ли место?"),
                panels=(room(rows=rows), filled(), left(rows=rows), growth()),
            ),
            Section(
                title=Text("What takes it?", "Чем оно занято?"),
                panels=(size(rows=rows), objects(rows=rows), unfinished(), uploads()),
            ),
            Section(
                title=Text("Is that up to date?", "Свежи ли эти числа?"),
                panels=(age(rows=rows), failing(), scans(), pages()),
            ),
        ),
    )


COMPONENT = component()
DASHBOARD = dashboard()
