# SPDX-License-Identifier: Apache-2.0
"""The panel that a metric makes by itself: one entry is a metric, its document and its panel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from otel_setup.catalogue.boards import Dashboard, Panel, Query, Section
from otel_setup.catalogue.model import Counter, Histogram, Metric, Text
from otel_setup.catalogue.promql import latest, quantile, rate

#: Panels beside each other in one line.
_LINE = 4

_TITLE = Text("Further numbers", "Другие показатели")
_QUANTILES = (0.5, 0.95, 0.99)


def with_own_panels(
    boards: Iterable[Dashboard], metrics: Iterable[Metric]
) -> tuple[Dashboard, ...]:
    """
    Return *boards*, each with a last section of the metrics that say ``shown_on`` it.

    A board that has the panels already stays as it is, so doing it twice changes nothing.
    """
    wanting = [metric for metric in metrics if metric.shown_on]
    return tuple(_extended(board, wanting) for board in boards)


def panel_of(metric: Metric) -> Panel:
    """
    Return the panel that suits the kind of *metric*.

    A counter is shown per second by its labels, a histogram as its median, 95th and 99th
    percentile, all else as its highest present value by its labels: processes that report one
    truth must not be added up.
    """
    labels = tuple(metric.attributes)
    legend = " ".join(f"{{{{{label}}}}}" for label in metric.labels)
    if isinstance(metric, Counter):
        queries: tuple[Query, ...] = (Query(rate(metric, by=labels), legend),)
    elif isinstance(metric, Histogram):
        queries = tuple(Query(quantile(each, metric), f"p{each * 100:g}") for each in _QUANTILES)
    else:
        queries = (Query(latest(metric, by=labels, fold="max"), legend),)
    return Panel(
        title=_title(metric),
        queries=queries,
        rows=metric.rows,
        may_be_empty=metric.rare,
    )


def _extended(board: Dashboard, wanting: list[Metric]) -> Dashboard:
    panels = [panel_of(metric) for metric in wanting if metric.shown_on == board.slug]
    missing = [panel for panel in panels if panel not in board.panels]
    lines = [
        Section(title=_TITLE, panels=tuple(missing[start : start + _LINE]))
        for start in range(0, len(missing), _LINE)
    ]
    return dataclasses.replace(board, sections=(*board.sections, *lines)) if lines else board


def _title(metric: Metric) -> str:
    words = metric.description.rstrip(".")
    russian = metric.description.ru.rstrip(".") if isinstance(metric.description, Text) else ""
    if not isinstance(metric, Counter):
        return Text(words, russian)
    return Text(f"{words}, per second", f"{russian}, в секунду" if russian else "")
