# SPDX-License-Identifier: Apache-2.0
"""Panels that several services have alike."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Gauge, Histogram, Text
from otel_setup.catalogue.promql import latest, quantile

_SHARES = (0.5, 0.95, 0.99)


def waits(
    title: Text,
    metric: Histogram,
    promised: float,
    *,
    rows: tuple[str, ...] = (),
    leads_to: str = "",
) -> Panel:
    """Return how long most, and the unlucky ones, wait for what *metric* measures."""
    return Panel(
        title=title,
        queries=tuple(Query(quantile(share, metric), f"p{share * 100:g}") for share in _SHARES),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(promised),),
    )


def sessions(metric: Gauge, *, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many sessions of the Shop or the MES have not expired."""
    return Panel(
        title=Text("Simultaneous sessions", "Одновременные сессии"),
        queries=(Query(latest(metric, fold="max"), "sessions"),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
    )


def used(panel: Panel) -> Panel:
    """Return *panel* as one that may not be empty: our services do what it shows."""
    return replace(panel, may_be_empty="")
