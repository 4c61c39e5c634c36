# SPDX-License-Identifier: Apache-2.0
"""What may be wrong with a catalogue as a whole: entries that contradict or miss each other."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from otel_setup.catalogue import inhibition

if TYPE_CHECKING:
    from otel_setup.catalogue.whole import Catalogue

#: Where a link stands, what it names, what it may name, and what that is called.
_Link = tuple[str, str, Collection[str], str]


def problems(catalogue: Catalogue) -> Iterator[str]:
    """Yield one line for each problem of *catalogue*, in the order in which one mends them."""
    yield from _twice(catalogue)
    yield from _unknown(catalogue)
    yield from _broken(catalogue)
    yield from inhibition.problems(catalogue.alerts)
    yield from _unseen(catalogue)
    yield from _unknown_questions(catalogue)
    yield from _unserved(catalogue)


def _twice(catalogue: Catalogue) -> Iterator[str]:
    for what, names in {
        "component": [component.name for component in catalogue.components],
        "metric": [each.name for part in catalogue.components for each in part.metrics],
        "series": [
            series
            for part in catalogue.components
            for each in part.metrics
            for series in each.series
        ],
        "alert": [each.name for part in catalogue.components for each in part.alerts],
        "dashboard": [each.slug for each in catalogue.dashboards],
        "question": [each.id for each in catalogue.questions],
        "objective": [each.name for each in catalogue.slos],
        "scrape job": [each.job for each in catalogue.scrapes],
    }.items():
        yield from (f"{what} {name!r}: defined twice." for name, n in Tally(names).items() if n > 1)


def _unknown(catalogue: Catalogue) -> Iterator[str]:
    for where, names in _readers(catalogue):
        for name in sorted(names - catalogue.metrics.keys()):
            yield f"{where} reads {name!r}, which is no metric of the catalogue."


def _broken(catalogue: Catalogue) -> Iterator[str]:
    for where, target, known, what in (*_links_to_dashboards(catalogue), *_other_links(catalogue)):
        if target not in known:
            yield f"{where} {target!r}, which is no {what}."


def _links_to_dashboards(catalogue: Catalogue) -> Iterator[_Link]:
    slugs = {dashboard.slug for dashboard in catalogue.dashboards}
    for dashboard in catalogue.dashboards:
        for panel in dashboard.panels:
            if panel.leads_to:
                yield f"panel {panel.title!r} leads to", panel.leads_to, slugs, "dashboard"
    for name, metric in catalogue.metrics.items():
        if metric.shown_on:
            yield f"metric {name!r} is shown on", metric.shown_on, slugs, "dashboard"
    for alert in catalogue.alerts.values():
        if alert.dashboard:
            yield f"alert {alert.name!r} leads to", alert.dashboard, slugs, "dashboard"


def _other_links(catalogue: Catalogue) -> Iterator[_Link]:
    for alert in catalogue.alerts.values():
        for name in alert.inhibited_by:
            yield f"alert {alert.name!r} is inhibited by", name, catalogue.alerts, "alert"
    # Without scrape jobs the catalogue belongs to somebody whose Prometheus is set up already.
    jobs = {scrape.job for scrape in catalogue.scrapes}
    for component in catalogue.components if jobs else ():
        for job in component.scraped:
            yield f"component {component.name!r} is scraped by", job, jobs, "job"


def _readers(catalogue: Catalogue) -> Iterator[tuple[str, frozenset[str]]]:
    for dashboard in catalogue.dashboards:
        for panel in dashboard.panels:
            yield f"panel {panel.title!r}", panel.metrics
    for component in catalogue.components:
        for alert in component.alerts:
            read = frozenset(alert.expr.metrics).union(*(q.expr.metrics for q in alert.queries))
            yield f"alert {alert.name!r}", read
        for recording in component.recordings:
            yield f"recording {recording.name!r}", recording.expr.metrics
    for slo in catalogue.slos:
        yield f"objective {slo.name!r}", slo.bad.metrics | slo.total.metrics


def _unseen(catalogue: Catalogue) -> Iterator[str]:
    for name, metric in catalogue.metrics.items():
        for what, found, reason in (
            ("panel", catalogue.panels_of, metric.no_panel),
            ("alert", catalogue.alerts_of, metric.no_alert),
        ):
            if name in found and reason:
                yield f"metric {name!r}: no_{what} is given, and there is one. Remove it."
            if name not in found and not reason:
                yield f"metric {name!r}: no {what} reads it. Make one, or say no_{what}=."


def _unknown_questions(catalogue: Catalogue) -> Iterator[str]:
    ids = {question.id for question in catalogue.questions}
    used = {
        (f"panel {panel.title!r}", row)
        for dashboard in catalogue.dashboards
        for panel in dashboard.panels
        for row in panel.rows
    }
    used |= {
        (f"metric {name!r}", row) for name, each in catalogue.metrics.items() for row in each.rows
    }
    used |= {
        (f"alert {name!r}", row) for name, each in catalogue.alerts.items() for row in each.rows
    }
    for where, row in sorted(used):
        if row not in ids:
            yield f"{where} answers {row!r}, which is no question of the catalogue."


def _unserved(catalogue: Catalogue) -> Iterator[str]:
    for question in catalogue.questions:
        served = bool(catalogue.panels_for(question))
        if served == bool(question.missing):
            yield (
                f"question {question.id!r}: served by a panel and said to be missing."
                if served
                else f"question {question.id!r}: no panel serves it. Say in missing= why."
            )
