# SPDX-License-Identifier: Apache-2.0
"""
Whether what was recorded is what the catalogue allows.

Dashboards and alerts are made from the catalogue: a label that is misspelt in the code
shows up as an empty panel, weeks later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_setup.catalogue import model
from otel_setup.testing._records import Metric


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names) or "no labels at all"


def problems(metric: Metric, entry: model.Metric) -> Iterator[str]:
    """Yield what of *metric* its *entry* in the catalogue does not allow, each thing once."""
    seen: dict[str, dict[str, None]] = {}
    for point in metric.points:
        for label, value in point.labels.items():
            seen.setdefault(label, {})[_spelt(value)] = None
    for label, values in seen.items():
        known = entry.attributes.get(label)
        if known is None:
            yield (
                f"metric {metric.name!r}: label {label}={next(iter(values))!r} is not in its "
                f"entry, which has {_words(entry.attributes)}. "
                "Add it to attributes= of the entry, or do not record it."
            )
            continue
        for value in values:
            if known.values and value not in known.values:
                yield (
                    f"metric {metric.name!r}: label {label}={value!r} is none of the entry's "
                    f"values {_words(known.values)}. Add it to values= of the label, or map it "
                    "to one of them."
                )
        if known.at_most and len(values) > known.at_most:
            yield (
                f"metric {metric.name!r}: label {label!r} has {len(values)} values, the entry "
                f"says at_most={known.at_most}. Something without a bound becomes a label."
            )
