# SPDX-License-Identifier: Apache-2.0
"""The queries of a panel as Grafana sends them."""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Any

from otel_setup.catalogue.boards import Panel

#: Prometheus, chosen at the top of the dashboard.
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

_QUANTILE = re.compile(r"histogram_quantile\(([0-9.e-]+), ")


def targets(panel: Panel) -> list[dict[str, Any]]:
    """
    Return the targets of *panel*.

    A graph asks for a range. A number, bars and a table ask for the present moment: the last
    value of a range would go on showing a part that has died.
    """
    graph = panel.shape == "timeseries"
    offers = _exemplars(panel) if graph else set()
    made = []
    for number, query in enumerate(panel.queries):
        text = query.expr.text
        if panel.shape == "bars" and len(panel.queries) == 1:
            text = f"sort_desc({text})"
        made.append(
            {
                "datasource": SOURCE,
                "editorMode": "code",
                "exemplar": number in offers,
                "expr": text,
                "format": "table" if panel.shape == "table" else "time_series",
                "instant": not graph,
                "legendFormat": query.legend or "__auto",
                "range": graph,
                "refId": ascii_uppercase[number],
            }
        )
    return made


def _exemplars(panel: Panel) -> set[int]:
    """
    Return the queries that offer exemplars: of all quantiles of one histogram the highest.

    They are the same traces for each of them, and three times as many dots say no more.
    """
    highest: dict[str, tuple[float, int]] = {}
    for number, query in enumerate(panel.queries):
        text = query.expr.text
        shares = [float(share) for share in _QUANTILE.findall(text)]
        if shares:
            of = _QUANTILE.sub("", text)
            highest[of] = max(highest.get(of, (0.0, number)), (max(shares), number))
    return {number for _, number in highest.values()}
