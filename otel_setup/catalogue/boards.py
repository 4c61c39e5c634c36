# SPDX-License-Identifier: Apache-2.0
"""The types of dashboards: few panels, each an answer to a question that somebody asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from otel_setup.catalogue.model import Metric
from otel_setup.catalogue.promql import Expr

Shape = Literal["timeseries", "stat", "bars", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """
    One question that the monitoring has to answer.

    It is served when a panel names it in ``rows``; until then ``missing`` says what it
    waits for.
    """

    id: str
    system: str
    method: str
    asks: str
    answers: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression of a panel; ``legend`` names its series, with ``{{label}}`` for a label."""

    expr: Expr
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A line in a panel: from *value* on (in the panel's unit) it is a warning or critical."""

    value: float
    level: Literal["good", "warning", "critical"] = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """
    One panel: a question or a quantity, and the queries that answer it in one unit.

    ``why`` is shown as its description; if empty, the first metric's reason is. ``leads_to`` is
    the slug of the dashboard where one looks next. ``may_be_empty`` is the written reason for
    a panel that has no data in a healthy young system. A panel that shows quantiles offers
    exemplars, which open the trace.

    Raises:
        ValueError: no query, no title, or queries of different units.
    """

    title: str
    queries: tuple[Query, ...]
    why: str = ""
    rows: tuple[str, ...] = ()
    shape: Shape = "timeseries"
    thresholds: tuple[Threshold, ...] = ()
    leads_to: str = ""
    may_be_empty: str = ""
    stacked: bool = False
    #: Upper end of the axis in the panel's unit, where there is one (1 for a share).
    most: float | None = None

    def __post_init__(self) -> None:
        if not self.title.strip() or not self.queries:
            raise ValueError(f"panel {self.title!r}: expected a title and at least one query.")
        units = sorted({query.expr.unit for query in self.queries})
        if len(units) > 1:
            raise ValueError(
                f"panel {self.title!r}: its queries are in {', '.join(units)}. "
                "Make one panel for each unit."
            )

    @property
    def unit(self) -> str:
        """The unit of all its queries, in UCUM."""
        return self.queries[0].expr.unit

    @property
    def metrics(self) -> frozenset[str]:
        """The names of all metrics that it reads."""
        return frozenset().union(*(query.expr.metrics for query in self.queries))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels that belong together, one to four beside each other in a line."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of a dashboard: the values of *label* on *metric*; all by default."""

    name: str
    label: str
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """
    One dashboard; ``slug`` is its uid and its file's name, ``asks`` the question on top.

    Queries use a variable as ``where={"job": "~$job"}``.

    Raises:
        ValueError: the slug is none, or two panels have one title.
    """

    slug: str
    title: str
    asks: str
    sections: tuple[Section, ...]
    variables: tuple[Variable, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", self.slug):
            raise ValueError(
                f"dashboard slug {self.slug!r}: expected lower-case letters, digits and dashes, "
                "40 at most."
            )
        titles = [str(panel.title) for panel in self.panels]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"dashboard {self.slug!r}: panels with one title: {twice!r}.")

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels in the order of reading."""
        return tuple(panel for section in self.sections for panel in section.panels)
