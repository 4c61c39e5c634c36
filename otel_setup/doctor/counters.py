# SPDX-License-Identifier: Apache-2.0
"""
What the Collector and Prometheus count about themselves, before and after a probe.

They know what became of data that nobody can see any more. Others may send at the same time, so
a number that grew is what was seen, not a proof.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SECONDS = 2.0
_AT_MOST = 10_000_000
#: Samples that Prometheus did not store, and why.
REFUSALS = {
    "prometheus_tsdb_out_of_order_samples_total": "out of order",
    "prometheus_tsdb_out_of_bound_samples_total": "out of bounds",
    "prometheus_tsdb_too_old_samples_total": "too old",
    "prometheus_target_scrapes_sample_duplicate_timestamp_total": "duplicate sample",
}


@dataclass(frozen=True, slots=True)
class Counters:
    """Numbers of one /metrics page by name and one label."""

    values: Mapping[tuple[str, str], float]

    def grew(self, before: Counters, name: str) -> dict[str, float]:
        """Return by how much *name* grew since *before*, for each label that it grew for."""
        found = {}
        for (each, label), value in self.values.items():
            grown = value - before.values.get((each, label), 0.0)
            if each in {name, f"{name}_total"} and grown > 0:
                found[label] = grown
        return found


def read(url: str, label: str) -> Counters | None:
    """Return the numbers of the page at *url*, summed up by *label*; None when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the user's own
            text = answer.read(_AT_MOST).decode("utf-8", "replace")
    except (OSError, HTTPException, ValueError):
        return None
    values: dict[tuple[str, str], float] = {}
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is None:
            continue
        labels = dict(_LABEL.findall(found[2] or ""))
        key = (found[1], labels.get(label, ""))
        try:
            values[key] = values.get(key, 0.0) + float(found[3])
        except ValueError:
            continue
    return Counters(values) if values else None


@dataclass(frozen=True, slots=True)
class Pages:
    """Both pages at one time; None for one that cannot be read."""

    collector: Counters | None
    prometheus: Counters | None


def pages(collector: str, prometheus: str) -> Pages:
    """Read both; '' for an address that is not known."""
    return Pages(
        read(collector, "exporter") if collector else None,
        read(f"{prometheus.rstrip('/')}/metrics", "") if prometheus else None,
    )
