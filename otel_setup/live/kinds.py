# SPDX-License-Identifier: Apache-2.0
"""
Are kind, unit and buckets those of the entry?

Prometheus knows types and units of what it scrapes, from the pages that it reads. Of what is
pushed by OTLP it keeps none: there the name tells them, since kind and unit make its end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from otel_setup.catalogue.model import Counter, Histogram, Metric, Recorded
from otel_setup.live.api import Sample
from otel_setup.live.findings import Finding, Level
from otel_setup.live.known import Known
from otel_setup.live.observe import Seen, Told

_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "milliseconds": "ms", "percent": "%"}
_UNIT_OF_NAME = re.compile(rf"_({'|'.join(_UNITS)})(_total)?$")
#: Types of Prometheus that are read like a gauge: their value is what counts.
_LIKE_A_GAUGE = {"gauge", "summary", "info", "stateset"}


def check(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield entries whose kind, unit or buckets are not those of their series."""
    for metric in known.catalogue.metrics.values():
        if isinstance(metric, Recorded):
            continue
        if seen.series.get(metric.series[0]):
            yield from unit_of_name(metric)
        yield from of_page(metric, seen)
        if isinstance(metric, Histogram):
            yield from buckets(metric, seen.series.get(f"{metric.prometheus_name}_bucket", ()))


def unit_of_name(metric: Metric) -> Iterator[Finding]:
    """Compare the unit of an entry with the one that the name of its series says."""
    said = _UNIT_OF_NAME.search(metric.prometheus_name)
    if said and _UNITS[said[1]] != metric.unit:
        # Programs are known to lie in names; whoever wrote the entry may know better.
        yield _unit(metric, f"the name says {said[1]}", _UNITS[said[1]], Level.IMPROVEMENT)


def of_page(metric: Metric, seen: Seen) -> Iterator[Finding]:
    """Compare an entry with the type and unit that the program's own page gives."""
    for told, allowed in _said(metric, seen):
        if told.type not in {*allowed, "unknown"}:
            yield Finding(
                Level.VIOLATION,
                "kinds",
                metric.name,
                f"the program says {told.type}, the entry {metric.kind}",
                f"make it a {_kind(told.type)} in the catalogue, or mend the program",
            )
        unit = _UNITS.get(told.unit)
        if unit and unit != metric.unit:
            yield _unit(metric, f"the program says {told.unit}", unit)


def _said(metric: Metric, seen: Seen) -> Iterator[tuple[Told, set[str]]]:
    """Yield what was told under each name that may mean the metric, with the types allowed."""
    name = metric.prometheus_name
    if isinstance(metric, Histogram):
        allowed = {name: {"histogram"}}
    elif isinstance(metric, Counter):
        # A page in OpenMetrics leaves out _total; parts of a distribution grow as counters do.
        allowed = {name: {"counter"}, name.removesuffix("_total"): {"counter"}}
        whole = re.sub(r"_(count|sum)$", "", name)
        if whole != name:
            allowed[whole] = {"histogram", "summary"}
    else:
        allowed = {name: _LIKE_A_GAUGE}
    for key, types in allowed.items():
        for told in seen.told.get(key, ()):
            yield told, types


def buckets(metric: Histogram, samples: tuple[Sample, ...]) -> Iterator[Finding]:
    """Compare the bounds that arrive, job by job, with the entry's."""
    bounds: dict[str, set[float]] = {}
    for sample in samples:
        bound = float(sample.labels.get("le", "nan"))
        if math.isfinite(bound):
            bounds.setdefault(sample.labels.get("job", ""), set()).add(bound)
    for job, there in sorted(bounds.items()):
        if there != set(metric.buckets):
            yield Finding(
                Level.VIOLATION,
                "kinds",
                metric.name,
                f"buckets of job {job!r} differ: {_difference(there, set(metric.buckets))}",
                "let the code take its bounds from the entry, or correct buckets=",
            )


def _difference(there: set[float], said: set[float]) -> str:
    parts = []
    if there - said:
        parts.append(f"not in the entry {_numbers(there - said)}")
    if said - there:
        parts.append(f"not there {_numbers(said - there)}")
    return ", ".join(parts)


def _numbers(bounds: set[float]) -> str:
    return ", ".join(f"{bound:g}" for bound in sorted(bounds))


def _kind(told: str) -> str:
    return {"counter": "Counter", "histogram": "Histogram"}.get(told, "Gauge")


def _unit(metric: Metric, seen: str, unit: str, level: Level = Level.VIOLATION) -> Finding:
    return Finding(
        level,
        "kinds",
        metric.name,
        f"{seen}, the entry {metric.unit!r}",
        f"write unit={unit!r}, or mend the program",
    )
