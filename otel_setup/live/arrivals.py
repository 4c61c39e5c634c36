# SPDX-License-Identifier: Apache-2.0
"""Does everything arrive that is documented, and is everything documented that arrives?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_setup.catalogue.model import Metric
from otel_setup.live.findings import Finding, Level, some
from otel_setup.live.known import BY_ITSELF, Known
from otel_setup.live.observe import Seen

#: What kind and unit add to a name; without it, names of one metric are alike.
_ADDED = re.compile(
    r"_(total|bucket|count|sum|ratio|seconds|milliseconds|bytes|percent|bytes_per_second)$"
)


def check(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield what arrives without an entry, and entries that do not arrive."""
    yield from undocumented(known, seen)
    yield from missing(known, seen)


def undocumented(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield each name that arrives and stands in no entry, once for a whole histogram."""
    stems = {_stem(name): metric for name, metric in known.metrics.items()}
    done: set[tuple[str, tuple[str, ...]]] = set()
    for name, jobs in seen.strangers.items():
        whole = re.sub(r"_(bucket|count|sum)$", "", name)
        if name in BY_ITSELF or (whole, jobs) in done:
            continue
        done.add((whole, jobs))
        like = stems.get(_stem(name))
        yield Finding(
            Level.VIOLATION,
            "arrivals",
            name,
            f"arrives from {_from(jobs)} and has no entry",
            _differs(like)
            if like
            else "write an entry for it, switch it off where it is made, or drop it in the scrape",
        )


def missing(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield each entry of which a series is not there, unless it is said to be rare."""
    for metric in known.catalogue.metrics.values():
        absent = [name for name in metric.series if not seen.series.get(name)]
        if not absent or metric.rare:
            continue
        yield Finding(
            Level.VIOLATION,
            "arrivals",
            metric.name,
            f"no series {some(absent)} in the last minutes",
            "see whether its source runs and is let through; if it may be absent, say why in rare=",
        )


def _differs(metric: Metric) -> str:
    return (
        f"entry {metric.name!r} is a {metric.kind} in {metric.unit!r}, which arrives as "
        f"{metric.series[0]}: make kind and unit the same in both"
    )


def _stem(name: str) -> str:
    while (short := _ADDED.sub("", name)) != name:
        name = short
    return name


def _from(jobs: tuple[str, ...]) -> str:
    return some(f"job {job!r}" if job else "no job" for job in jobs) or "nowhere"
