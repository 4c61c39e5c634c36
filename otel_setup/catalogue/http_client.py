# SPDX-License-Identifier: Apache-2.0
"""
Calls of services to others, by ``job`` and by the host that is called.

*job* is the name of one service, or a regular expression after ``~``.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.http_client import ALERTS, FAILED, FAILING_SHARE
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.http_client import REQUEST_DURATION
from otel_setup.catalogue.jobs import legend, of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import highest, or_zero, quantile, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "METRICS",
    "REQUEST_DURATION",
    "calls",
    "component",
    "failing",
    "latency",
]

METRICS = (REQUEST_DURATION,)

_CALL = ("job", "server.address")
_HOST = "{{server_address}}"
_NO_CALLS = Text("the service calls no other", "сервис не вызывает других")


def calls(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many calls are made, by the host that is called."""
    return Panel(
        title=title or Text("Whom does it call?", "Кого он вызывает?"),
        queries=(Query(rate(REQUEST_DURATION, by=_CALL, where=of(job)), legend(job, _HOST)),),
        why=Text(
            "More calls than requests are a loop; none at all is a service that waits for nobody.",
            "Вызовов больше, чем запросов: где-то цикл. Если их нет, сервис никого не ждёт.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NO_CALLS,
    )


def failing(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the calls gets no answer or a 5xx."""
    total = rate(REQUEST_DURATION, by=_CALL, where=of(job))
    failed = rate(REQUEST_DURATION, by=_CALL, where=of(job, **FAILED))
    return Panel(
        title=title or Text("Which share of calls fails?", "Какая доля вызовов падает?"),
        queries=(Query(or_zero(failed, total) / (total > 0), legend(job, _HOST)),),
        why=Text(
            "Says whether the fault is ours or that of somebody whom we call.",
            "Говорит, наша ли это ошибка или того, кого мы вызываем.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FAILING_SHARE, "warning"),),
        may_be_empty=_NO_CALLS,
    )


def latency(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how long the slowest called hosts take."""
    p95 = quantile(0.95, REQUEST_DURATION, by=_CALL, where=of(job))
    return Panel(
        title=title or Text("Whom does it wait for (p95)?", "Кого он ждёт (p95)?"),
        queries=(Query(highest(10, p95), legend(job, _HOST)),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CALLS,
    )


def component(
    *, owner: str = "platform", dashboard: str = "services", scraped: tuple[str, ...] = ()
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    """
    return Component(
        name="calls",
        title=Text("Calls of other services", "Вызовы других сервисов"),
        owner=owner,
        source=Source.SEMCONV,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
