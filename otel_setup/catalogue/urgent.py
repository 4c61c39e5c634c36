# SPDX-License-Identifier: Apache-2.0
"""
The condition of an alert that is told at once: each failure once, soon, and none too late.

A short window tells the next failure of the same kind anew after a minute of quiet. It would miss
what happened while Prometheus or the Collector was away for longer; what was never told is
therefore looked for further back, and Prometheus itself knows what was.
"""

from __future__ import annotations

from collections.abc import Collection

from otel_setup.catalogue.model import Counter, Histogram
from otel_setup.catalogue.promql import Expr, Where, increase, written
from otel_setup.catalogue.scraped.targets import ALERTS

#: So long an alert goes on after the last failure; the next one then tells anew.
SOON = "1m"
#: What happened during an outage of this length is told when it is over.
LATE = "15m"
#: So long what was found late stays told: it must not end before it was sent.
_HELD = "30s"


def untold(
    metric: Counter | Histogram, alert: str, *, by: Collection[str], where: Where | None = None
) -> Expr:
    """
    Return how many failures *metric* counted that have to be told, by the labels *by*.

    That are those of the last minute, and those of the last 15 minutes of which *alert*, the
    name of the alert that has this condition, has told nothing with the same labels.
    """
    soon = increase(metric, by=by, where=where, over=SOON) > 0
    told = written(
        f'max_over_time({ALERTS.name}{{alertname="{alert}", alertstate="firing"}}[{LATE}] '
        f"offset {_HELD})",
        metric.unit,
        ALERTS,
    )
    late = (increase(metric, by=by, where=where, over=LATE) > 0).unless_on(told, *by)
    return soon.or_(Expr(late.text, soon.unit, late.metrics))
