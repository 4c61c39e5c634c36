# SPDX-License-Identifier: Apache-2.0
"""
Explicit buckets of an exponential histogram, for formats that know no other.

Neighbours are joined until a fixed number is left, which loses precision and no count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint

#: Bounds that one series may have, and the finest scale: at 1, each bound is 1.41 times the one
#: before. So coarse, real data stays on one grid and bounds do not change between two scrapes:
#: 64 of them reach from a millisecond to a month.
MOST = 64
FINEST = 1
#: 2 to this power is no number any more.
_TOO_HIGH = 1024.0


def explicit(point: ExponentialHistogramDataPoint) -> tuple[list[float], list[int]]:
    """Return rising bounds of *point*, and one count more than bounds: what is above them all."""
    scale = min(point.scale, FINEST)
    while True:
        negative = _side(point.negative, point.scale - scale)
        positive = _side(point.positive, point.scale - scale)
        if len(negative) + len(positive) < MOST:
            break
        scale -= 1
    found = [(-_power(index, scale), negative[index]) for index in reversed(negative)]
    if negative or point.zero_count:
        found.append((0.0, point.zero_count))
    found += [(_power(index + 1, scale), positive[index]) for index in positive]
    bounds, counts = _rising(found)
    return bounds, [*counts, max(0, point.count - sum(counts))]


def _side(buckets: Buckets, down: int) -> dict[int, int]:
    """Return the counts by index, *down* scales coarser, without gaps, in order."""
    counts: dict[int, int] = {}
    for index, count in enumerate(buckets.bucket_counts, buckets.offset):
        if count:
            counts[index >> down] = counts.get(index >> down, 0) + count
    if not counts:
        return {}
    # A gap would be a bound that comes and goes.
    if max(counts) - min(counts) >= MOST:
        return dict.fromkeys(range(MOST), 0)
    return {index: counts.get(index, 0) for index in range(min(counts), max(counts) + 1)}


def _power(index: int, scale: int) -> float:
    """Return the base of *scale* to the power of *index*."""
    exponent = index * 2.0**-scale
    return math.inf if exponent >= _TOO_HIGH else 2.0**exponent


def _rising(found: Iterable[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Join what the smallest numbers round to the same bound; leave out what is no number."""
    bounds: list[float] = []
    counts: list[int] = []
    for bound, count in found:
        if bounds and bound <= bounds[-1]:
            counts[-1] += count
        elif bound < math.inf:
            bounds.append(bound)
            counts.append(count)
    return bounds, counts
