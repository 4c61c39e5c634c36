# SPDX-License-Identifier: Apache-2.0
"""
Whose series a panel shows, and which of them are alive.

Series that are pushed do not end with their process: Prometheus shows their last value for
five more minutes. A sum over processes must leave the dead ones out, or every restart
doubles it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from otel_setup.catalogue.model import Metric
from otel_setup.catalogue.promql import Expr, Where, latest, selector

#: A process that was silent for so long is gone; by default one exports every 15 s.
ALIVE = "90s"


def alive(
    metric: Metric, *, by: Collection[str] = (), where: Where | None = None, fold: str = "sum"
) -> Expr:
    """
    Return the present value of *metric* over the processes that still report.

    Raises:
        TypeError: *metric* is a counter or histogram.
        ValueError: *metric* lacks a label.
    """
    chosen = selector(metric, where)
    plain = latest(metric, by=by, where=where, fold=fold)
    return replace(
        plain, text=plain.text.replace(f"({chosen})", f"(last_over_time({chosen}[{ALIVE}]))")
    )


def of(jobs: str, **labels: str) -> dict[str, str]:
    """Return the ``where`` for *jobs*: one, a regular expression after ``~``, or all (empty)."""
    return {**({"job": jobs} if jobs else {}), **labels}


def legend(jobs: str, text: str = "") -> str:
    """Return the legend *text*, after the job's name where there may be several."""
    several = not jobs or jobs[0] in "~!"
    return " ".join(part for part in ("{{job}}" if several else "", text) if part)
