# SPDX-License-Identifier: Apache-2.0
"""The four shapes of a panel: a graph over time, a number, bars, a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from otel_setup.catalogue.boards import Panel, Query, Shape
from otel_setup.render.grafana_units import quantity

#: One number alone has no other to be told from.
_CALM = {"fixedColor": "text", "mode": "fixed"}
_NOW = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_AGGREGATED = re.compile(r"(sum|max|min|avg|count)\((?!.*\bby \()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaped:
    """What Grafana needs to know of a panel because of its shape."""

    type: str
    options: dict[str, Any]
    custom: dict[str, Any] = field(default_factory=dict)
    colour: dict[str, str] | None = None
    overrides: list[dict[str, Any]] = field(default_factory=list)
    transformations: list[dict[str, Any]] = field(default_factory=list)


def shaped(panel: Panel) -> Shaped:
    """Return what follows from the shape of *panel*."""
    return _SHAPES[panel.shape](panel)


def _timeseries(panel: Panel) -> Shaped:
    legend = {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False}
    if not _is_one(panel):
        legend = {
            "calcs": ["lastNotNull", "max"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "sortBy": "Max",
            "sortDesc": True,
        }
    return Shaped(
        type="timeseries",
        options={"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}},
        colour={"mode": "palette-classic"},
        custom={
            "axisLabel": quantity(panel.unit),
            "drawStyle": "line",
            "fillOpacity": 40 if panel.stacked else 8,
            "lineWidth": 1,
            "showPoints": "never",
            # A gap is a gap: nobody knows what was in it.
            "spanNulls": False,
            "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
        },
    )


def _stat(panel: Panel) -> Shaped:
    return Shaped(
        type="stat",
        options={
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": _NOW,
            "showPercentChange": False,
            "textMode": "auto",
            "wideLayout": True,
        },
        colour={"mode": "thresholds"} if panel.thresholds else _CALM,
    )


def _bars(panel: Panel) -> Shaped:
    return Shaped(
        type="bargauge",
        options={
            "displayMode": "basic",
            "legend": {
                "calcs": [],
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": False,
            },
            "maxVizHeight": 32,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "left",
            "orientation": "horizontal",
            "reduceOptions": _NOW,
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        },
        colour={"mode": "thresholds"}
        if panel.thresholds
        else {"fixedColor": "blue", "mode": "fixed"},
    )


def _table(panel: Panel) -> Shaped:
    many = len(panel.queries) > 1
    columns = {
        f"Value #{letter}" if many else "Value": _column(panel, query)
        for letter, query in zip(ascii_uppercase, panel.queries, strict=False)
    }
    number = {
        "matcher": {"id": "byType", "options": "number"},
        "properties": [{"id": "custom.cellOptions", "value": {"type": "color-text"}}],
    }
    merge = [{"id": "merge", "options": {}}] if many else []
    organize = {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": columns}
    return Shaped(
        type="table",
        options={
            "cellHeight": "sm",
            "showHeader": True,
            "sortBy": [{"desc": True, "displayName": next(iter(columns.values()))}],
        },
        custom={"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False},
        colour={"mode": "thresholds"} if panel.thresholds else None,
        overrides=[number] if panel.thresholds else [],
        transformations=[*merge, {"id": "organize", "options": organize}],
    )


def _column(panel: Panel, query: Query) -> str:
    """Return the head of the column with the values; labels have columns of their own."""
    if query.legend and "{{" not in query.legend:
        return query.legend
    return quantity(panel.unit) or str(panel.title)


def _is_one(panel: Panel) -> bool:
    """Tell whether a graph shows one series only, which the title names well enough."""
    return len(panel.queries) == 1 and not _may_be_many(panel.queries[0])


def _may_be_many(query: Query) -> bool:
    if query.legend:
        return "{{" in query.legend
    return not _AGGREGATED.match(query.expr.text)


_SHAPES: Mapping[Shape, Callable[[Panel], Shaped]] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bars": _bars,
    "table": _table,
}
