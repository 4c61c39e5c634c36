# SPDX-License-Identifier: Apache-2.0
"""Service level objectives: panels about what is promised, what is left, and what burns."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.slo import ALERTS, BURNS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.burning import (
    BUDGET_REMAINING,
    ERROR_BUDGET,
    ERROR_RATIO,
    METRICS,
    OBJECTIVE,
    Rule,
    rules,
)
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import latest
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "METRICS",
    "Rule",
    "budget",
    "burn",
    "component",
    "error_ratio",
    "objectives",
    "rules",
]

_SLO = "{{slo}}"
_NO_EVENTS = Text("there were no events", "событий не было")


def budget(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return what is left of each objective's budget; below zero the promise is broken."""
    return Panel(
        title=Text("Error budget that is left", "Остаток бюджета ошибок"),
        queries=(Query(latest(BUDGET_REMAINING), _SLO),),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        thresholds=(Threshold(0, "warning"), Threshold(0.25, "good")),
        may_be_empty=_NO_EVENTS,
    )


def burn(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how fast each budget is being spent; at 1 it lasts just its 30 days."""
    pace = latest(ERROR_RATIO["1h"]) / latest(ERROR_BUDGET)
    return Panel(
        title=Text("How fast does the budget burn?", "Как быстро тратится бюджет ошибок?"),
        queries=(Query(replace(pace, unit="{time}"), _SLO),),
        why=Text(
            "Times the pace that is allowed, over the last hour. At 1 the budget lasts 30 days.",
            "Во сколько раз быстрее дозволенного, за последний час. При 1 бюджета хватает на 30 "
            "дней.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(BURNS[-1].factor, "warning"), Threshold(BURNS[0].factor)),
        may_be_empty=_NO_EVENTS,
    )


def error_ratio(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which share of each objective's events is bad."""
    return Panel(
        title=Text("Share of bad events (1 h)", "Доля плохих событий (1 ч)"),
        queries=(Query(latest(ERROR_RATIO["1h"]), _SLO),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_EVENTS,
    )


def objectives(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return what is promised, and by whom."""
    return Panel(
        title=Text("What is promised?", "Что обещано?"),
        queries=(Query(latest(OBJECTIVE, by=["slo", "team"], fold="max")),),
        rows=rows,
        leads_to=leads_to,
        shape="table",
    )


def component(*, owner: str = "platform", dashboard: str = "slos") -> Component:
    """
    Return the component whose alerts lead to *dashboard*.

    They go to the owner of the objective, not to *owner*, who only keeps the rules.
    """
    return Component(
        name="slo",
        title=Text("Service level objectives", "Цели уровня обслуживания"),
        owner=owner,
        source=Source.RULES,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
    )


COMPONENT = component()
