# SPDX-License-Identifier: Apache-2.0
"""Do series have the labels of their entries, with values within the bounds?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from otel_setup.catalogue.model import COMMON_LABELS, Label, Metric
from otel_setup.live.api import Sample
from otel_setup.live.findings import Finding, Level, some
from otel_setup.live.known import OPEN_LABELS, PART_LABELS, Known, own_labels
from otel_setup.live.observe import Seen


def check(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield labels that no entry lists, values out of bounds, and labels that nobody saw."""
    for metric in known.catalogue.metrics.values():
        if OPEN_LABELS.intersection(metric.series):
            continue
        values = values_of(sample for name in metric.series for sample in seen.series.get(name, ()))
        if values is not None:
            yield from of_metric(metric, values)


def values_of(samples: Iterable[Sample]) -> dict[str, set[str]] | None:
    """Return the values of each label; None if there is no series at all."""
    found: dict[str, set[str]] = {}
    empty = True
    for sample in samples:
        empty = False
        for label, value in sample.labels.items():
            found.setdefault(label, set()).add(value)
    return None if empty else found


def of_metric(metric: Metric, values: Mapping[str, set[str]]) -> Iterator[Finding]:
    """Compare the labels that arrived with the entry's."""
    listed = own_labels(metric)
    for label, there in sorted(values.items()):
        if label in listed:
            yield from _of_label(metric, label, listed[label], there)
        elif label not in COMMON_LABELS | PART_LABELS:
            yield Finding(
                Level.VIOLATION,
                "labels",
                metric.name,
                f"label {label!r} is not listed; its values: {some(there)}",
                "list it in attributes= with its bound, or do not record it",
            )
    for label in sorted(listed.keys() - values.keys()):
        yield Finding(
            Level.INFORMATION,
            "labels",
            metric.name,
            f"label {label!r} was not seen",
            "nothing, if it comes with errors or other rare events only",
        )


def _of_label(metric: Metric, name: str, label: Label, there: set[str]) -> Iterator[Finding]:
    strange = there - set(label.values) if label.values else set()
    if strange:
        yield Finding(
            Level.VIOLATION,
            "labels",
            metric.name,
            f"label {name!r} has {some(strange)}, outside its closed set",
            f"add it to values=({', '.join(label.values)}), or record one of them",
        )
    if label.at_most and len(there) > label.at_most:
        yield Finding(
            Level.VIOLATION,
            "labels",
            metric.name,
            f"label {name!r} has {len(there)} values, at most {label.at_most} are said: "
            f"{some(there)}",
            "find out who makes so many; raise at_most= if that is right",
        )
