# SPDX-License-Identifier: Apache-2.0
"""Does every expression read what the catalogue knows: names, labels and values?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.whole import Catalogue
from otel_setup.live.findings import Finding, Level, some
from otel_setup.live.known import BY_ITSELF, Known, own_labels
from otel_setup.live.observe import Parsed, Seen
from otel_setup.live.syntax import Flow, Matcher, Tree, selectors

_LEGEND = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\$labels\.(\w+)")


@dataclass(frozen=True, slots=True)
class Read:
    """An expression, what it belongs to, and the labels that its texts show of its series."""

    about: str
    text: str
    shows: tuple[str, ...] = ()


def check(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield what expressions of panels, alerts, recordings and objectives cannot find."""
    for read in expressions(known.catalogue):
        parsed = seen.parsed.get(read.text, Parsed(error="it was not parsed"))
        if parsed.error:
            yield _finding(read, f"is no PromQL: {parsed.error}", "mend the expression")
        else:
            yield from of_tree(known, read, parsed.tree)


def expressions(catalogue: Catalogue) -> Iterator[Read]:
    """Yield every expression of *catalogue*."""
    for board in catalogue.dashboards:
        for panel in board.panels:
            for query in panel.queries:
                yield _read(f"panel {board.slug}: {panel.title}", query)
    for alert in catalogue.alerts.values():
        texts = f"{alert.summary} {alert.description} {alert.exemplars}"
        by_rule = {"severity", "team", "component", *alert.labels}
        # Templates see the labels of the expression; inhibition also those of the rule.
        shows = {*_TEMPLATE.findall(texts), *(set(alert.inhibited_on) - by_rule)}
        yield Read(f"alert {alert.name}", alert.expr.text, tuple(sorted(shows)))
        for query in alert.queries:
            yield _read(f"query of alert {alert.name}", query)
    for component in catalogue.components:
        for recording in component.recordings:
            yield Read(f"recording {recording.name}", recording.expr.text)
    for slo in catalogue.slos:
        for expr in (slo.bad, slo.total):
            yield Read(f"objective {slo.name}", expr.text)


def of_tree(known: Known, read: Read, tree: Tree) -> Iterator[Finding]:
    """Yield what *read* asks for and the catalogue does not have."""
    for selector in dict.fromkeys(selectors(tree)):
        if selector.name and selector.name not in {*known.metrics, *BY_ITSELF}:
            yield _finding(
                read,
                f"reads {selector.name!r}, which is no entry",
                "correct the name or document it",
            )
        elif selector.name:
            for matcher in selector.matchers:
                yield from _of_matcher(known, read, selector.name, matcher)
    flow = Flow(known.labels)
    labels = flow.of(tree)
    for label, where in dict.fromkeys(flow.absent):
        yield _finding(read, f"{where} ({label}): no series there has it", "correct the label")
    if labels is not None:
        yield from (
            _finding(read, f"shows label {label!r}, which its series do not have", "group by it")
            for label in read.shows
            if label not in labels
        )


def _of_matcher(known: Known, read: Read, name: str, matcher: Matcher) -> Iterator[Finding]:
    have = known.labels(name)
    if have is None:
        return
    if matcher.label not in have:
        yield _finding(
            read,
            f"asks {name} for label {matcher.label!r}, which it does not have",
            f"use one of {some(own_labels(known.metrics[name]), 20) or 'the common labels'}",
        )
        return
    label = own_labels(known.metrics[name]).get(matcher.label)
    if label and label.values and not _possible(matcher, label.values):
        yield _finding(
            read,
            f'{name}{{{matcher.label}{matcher.sign}"{matcher.value}"}} fits none of its values',
            f"use one of {some(label.values, 20)}",
        )


def _possible(matcher: Matcher, values: tuple[str, ...]) -> bool:
    """Tell whether one of *values*, or that there is none, fits what the matcher names."""
    if matcher.sign in {"=", "!="}:
        return matcher.value in {"", *values}
    try:
        pattern = re.compile(matcher.value)
    except re.error:  # Go knows some patterns that Python does not
        return True
    return any(pattern.fullmatch(value) for value in ("", *values))


def _read(about: str, query: Query) -> Read:
    return Read(about, query.expr.text, tuple(dict.fromkeys(_LEGEND.findall(query.legend))))


def _finding(read: Read, saw: str, fix: str) -> Finding:
    return Finding(Level.VIOLATION, "reads", read.about, saw, fix)
