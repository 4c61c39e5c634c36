# SPDX-License-Identifier: Apache-2.0
"""The series of a page, and the exemplars that belong to them."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Self

from opentelemetry.sdk.metrics import Exemplar as Measured
from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)
from opentelemetry.trace import format_span_id, format_trace_id
from prometheus_client.core import Exemplar
from prometheus_client.core import Metric as Family

from otel_setup._prometheus.buckets import explicit
from otel_setup._prometheus.exposition import number

#: Seconds for which an exemplar is shown: two Prometheus that scrape in turn both see it.
_REMEMBERED = 300.0


class Exemplars:
    """The last exemplar of each bucket: the SDK hands one out once, to whoever reads first."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Exemplar] = {}

    def latest(self, key: tuple[object, ...], measured: Sequence[Measured]) -> Exemplar | None:
        """Return the newest of *measured* that has a trace, or the one that was kept for *key*."""
        traced = [each for each in measured if each.trace_id and each.span_id]
        if traced:
            newest = max(traced, key=lambda each: each.time_unix_nano)
            self._kept[key] = Exemplar(
                {
                    "trace_id": format_trace_id(newest.trace_id or 0),
                    "span_id": format_span_id(newest.span_id or 0),
                },
                as_float(newest.value),
                newest.time_unix_nano / 1e9,
            )
        return self._kept.get(key)

    def forget(self) -> None:
        """Drop what is old."""
        oldest = time.time() - _REMEMBERED
        for key, exemplar in list(self._kept.items()):
            if float(exemplar.timestamp or 0) < oldest:
                del self._kept[key]


@dataclass(slots=True)
class Number:
    """The value of a counter or gauge."""

    value: float
    #: Whether two of one series are added; otherwise the newer one counts.
    adds: bool
    start: int
    time: int
    exemplars: list[Measured]

    @classmethod
    def of(cls, point: NumberDataPoint, *, adds: bool) -> Self:
        """Return what *point* says."""
        return cls(
            as_float(point.value),
            adds,
            point.start_time_unix_nano or 0,
            point.time_unix_nano,
            list(point.exemplars),
        )

    def merge(self, other: Number | Distribution) -> None:
        """Count *other* as the same series: nothing that is shown tells the two apart."""
        if not isinstance(other, Number):
            return
        if self.adds:
            self.value += other.value
        elif other.time >= self.time:
            self.value = other.value
        self.start = min(self.start, other.start)
        self.exemplars += other.exemplars

    def show(
        self, family: Family, labels: dict[str, str], exemplars: Exemplars, *, openmetrics: bool
    ) -> None:
        """Add the samples of this series to *family*."""
        if family.type != "counter":
            family.add_sample(family.name, labels, self.value)
            return
        key = (family.name, *labels.items())
        exemplar = exemplars.latest(key, self.exemplars)
        family.add_sample(f"{family.name}_total", labels, self.value, exemplar=exemplar)
        if openmetrics and self.start:
            family.add_sample(f"{family.name}_created", labels, self.start / 1e9)


@dataclass(slots=True)
class Distribution:
    """A histogram; ``counts`` has one more than ``bounds``."""

    bounds: list[float]
    counts: list[int]
    sum: float | None
    start: int
    exemplars: list[Measured] = field(default_factory=list)

    @classmethod
    def of(cls, point: HistogramDataPoint | ExponentialHistogramDataPoint) -> Self:
        """Return what *point* says, with explicit buckets."""
        if isinstance(point, ExponentialHistogramDataPoint):
            bounds, counts = explicit(point)
        else:
            # A bound that is no number says no more than the +Inf that all have.
            bounds = [bound for bound in map(as_float, point.explicit_bounds) if bound < math.inf]
            counts = list(point.bucket_counts[: len(bounds)])
            counts.append(point.count - sum(counts))
        total = None if point.sum is None else as_float(point.sum)
        start = point.start_time_unix_nano or 0
        return cls(bounds, counts, total, start, list(point.exemplars))

    def merge(self, other: Number | Distribution) -> None:
        """Count *other* as the same series; with other bounds there is no way to."""
        if not isinstance(other, Distribution) or self.bounds != other.bounds:
            return
        self.counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        self.sum = None if self.sum is None or other.sum is None else self.sum + other.sum
        self.start = min(self.start, other.start)
        self.exemplars += other.exemplars

    def show(
        self, family: Family, labels: dict[str, str], exemplars: Exemplars, *, openmetrics: bool
    ) -> None:
        """Add the samples of this series to *family*."""
        by_bucket: dict[int, list[Measured]] = {}
        for each in self.exemplars:
            by_bucket.setdefault(bisect_left(self.bounds, each.value), []).append(each)
        bounds = [*self.bounds, math.inf]
        for index, (bound, count) in enumerate(zip(bounds, accumulate(self.counts), strict=True)):
            exemplar = exemplars.latest(
                (family.name, bound, *labels.items()), by_bucket.get(index, ())
            )
            family.add_sample(
                f"{family.name}_bucket",
                {**labels, "le": number(bound)},
                count,
                exemplar=exemplar,
            )
        if not openmetrics or self._may_have_sum():
            family.add_sample(f"{family.name}_count", labels, sum(self.counts))
            if self.sum is not None:
                family.add_sample(f"{family.name}_sum", labels, self.sum)
        if openmetrics and self.start:
            family.add_sample(f"{family.name}_created", labels, self.start / 1e9)

    def _may_have_sum(self) -> bool:
        """OpenMetrics allows no sum that can fall, and no count without a sum."""
        return self.sum is not None and self.sum >= 0 and min(self.bounds, default=0.0) >= 0


def as_float(value: float) -> float:
    """Return *value*, a whole number of any length, as what Prometheus stores."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
