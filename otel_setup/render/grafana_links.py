# SPDX-License-Identifier: Apache-2.0
"""Where a panel leads: to the next dashboard, to a runbook, to the entry of its metric."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Dashboard, Panel
from otel_setup.catalogue.promql import Expr
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import reads

_SELECTOR = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)(=~|!=|!~|=)"((?:\\.|[^"\\])*)"')
#: Prometheus writes them itself, about all alerts.
_BOOKKEEPING = {"ALERTS", "ALERTS_FOR_STATE"}

Matcher = tuple[str, str, str]


def links(catalogue: Catalogue, dashboard: Dashboard, panel: Panel) -> list[dict[str, Any]]:
    """Return the links of *panel* on *dashboard*; those inside Grafana keep the range of time."""
    made = []
    if panel.leads_to and panel.leads_to != dashboard.slug:
        title = next(each.title for each in catalogue.dashboards if each.slug == panel.leads_to)
        url = f"/d/{panel.leads_to}?${{__url_time_range}}&${{datasource:queryparam}}"
        made.append({"targetBlank": False, "title": f"Look next: {title}", "url": url})
    alert = nearest_alert(catalogue, dashboard, panel)
    if alert:
        made.append(_outside(f"Runbook: {alert.name}", catalogue.runbook_of(alert.name)))
    metrics = reads.metrics(catalogue, panel)
    if catalogue.docs and metrics:
        name = metrics[0].prometheus_name
        made.append(_outside(f"Metric: {name}", f"{catalogue.docs}metrics.md#{name}"))
    return made


def nearest_alert(catalogue: Catalogue, dashboard: Dashboard, panel: Panel) -> Alert | None:
    """
    Return the alert whose runbook helps where *panel* looks bad; None if there is none.

    It reads the same series, most of them and little else, of nobody else's job or route; among
    equals one that leads to this dashboard.
    """
    shown = [query.expr for query in panel.queries]
    series, matchers = _series(catalogue, shown), _matchers(shown)
    found: list[tuple[tuple[float, ...], Alert]] = []
    for alert in catalogue.alerts.values():
        watched, narrowed = _series(catalogue, [alert.expr]), _matchers([alert.expr])
        if not series & watched or _contradict(matchers, narrowed):
            continue
        nearness = (
            len(series & watched) / len(series | watched),
            -len(narrowed - matchers),
            alert.dashboard == dashboard.slug,
        )
        found.append((nearness, alert))
    # max() keeps the first of equals, which is the first of the catalogue.
    return max(found, key=lambda each: each[0])[1] if found else None


def _series(catalogue: Catalogue, exprs: Iterable[Expr]) -> set[str]:
    """Return the series that *exprs* read: of a histogram only the parts in use."""
    found: set[str] = set()
    for expr in exprs:
        words = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", expr.text))
        for name in expr.metrics & catalogue.metrics.keys():
            found |= words.intersection(catalogue.metrics[name].series)
    return found - _BOOKKEEPING


def _matchers(exprs: Iterable[Expr]) -> set[Matcher]:
    return {
        matcher
        for expr in exprs
        for inside in _SELECTOR.findall(expr.text)
        for matcher in _MATCHER.findall(inside)
    }


def _contradict(one: set[Matcher], other: set[Matcher]) -> bool:
    """Tell whether a label has to be equal to one value in *one* and to another in *other*."""
    first, second = _equal(one), _equal(other)
    return any(first[label].isdisjoint(second[label]) for label in first.keys() & second.keys())


def _equal(matchers: set[Matcher]) -> dict[str, set[str]]:
    values: dict[str, set[str]] = {}
    for label, sign, value in matchers:
        if sign == "=":
            values.setdefault(label, set()).add(value)
    return values


def _outside(title: str, url: str) -> dict[str, Any]:
    return {"targetBlank": True, "title": title, "url": url}
