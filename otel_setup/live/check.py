# SPDX-License-Identifier: Apache-2.0
"""All checks, put together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from otel_setup.catalogue.whole import Catalogue
from otel_setup.live import arrivals, kinds, labels, panels, reads, rules
from otel_setup.live.api import Prometheus
from otel_setup.live.findings import Finding
from otel_setup.live.known import Known
from otel_setup.live.observe import Seen, observe
from otel_setup.render.rule_groups import groups

#: Name → what it asks, in the order of the report.
CHECKS: Mapping[str, str] = {
    "arrivals": "does what is documented arrive, and is documented what arrives",
    "labels": "are labels and their values those of the entries",
    "kinds": "are kinds, units and buckets those of the entries",
    "panels": "does each panel show something that makes sense",
    "rules": "does Prometheus evaluate just these rules",
    "reads": "do expressions read names, labels and values that exist",
}


def expected_rules(catalogue: Catalogue) -> list[Mapping[str, Any]]:
    """Return all rules of *catalogue* as rule files hold them."""
    return [
        rule for found in groups(catalogue).values() for group in found for rule in group["rules"]
    ]


def run(
    prometheus: Prometheus, catalogue: Catalogue, only: Collection[str] = ()
) -> tuple[list[Finding], dict[str, int]]:
    """
    Return what differs between *catalogue* and *prometheus*, and how much was compared.

    Raises:
        NotReachableError: Prometheus does not answer.
    """
    rules_ = expected_rules(catalogue)
    texts = [read.text for read in reads.expressions(catalogue)]
    seen = observe(prometheus, catalogue, [*texts, *(str(rule["expr"]) for rule in rules_)])
    found = [
        finding for finding in judge(catalogue, seen, rules_) if not only or finding.check in only
    ]
    return found, {
        "metrics": len(catalogue.metrics),
        "series": sum(len(samples) for samples in seen.series.values()),
        "panels": sum(len(board.panels) for board in catalogue.dashboards),
        "queries": len(seen.answers),
        "rules": len(rules_),
    }


def judge(
    catalogue: Catalogue, seen: Seen, expected: Collection[Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield the findings of all checks on what was *seen*."""
    known = Known(catalogue)
    yield from arrivals.check(known, seen)
    yield from labels.check(known, seen)
    yield from kinds.check(known, seen)
    yield from panels.check(known, seen)
    yield from rules.check(expected, seen)
    yield from reads.check(known, seen)
