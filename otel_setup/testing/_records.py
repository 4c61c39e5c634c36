# SPDX-License-Identifier: Apache-2.0
"""What a test sees: spans, metrics and log records as plain values that compare and print well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Labels = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a span, such as an exception."""

    name: str
    attributes: dict[str, Any]
    time: float


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span that ended."""

    name: str
    #: INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER.
    kind: str
    trace_id: str
    span_id: str
    #: Empty for a root.
    parent_id: str
    attributes: dict[str, Any]
    #: UNSET, OK or ERROR, and what it says about an error.
    status: str
    status_text: str
    events: tuple[Event, ...]
    #: Trace and span id of each link.
    links: tuple[tuple[str, str], ...]
    scope: str
    #: Seconds on the clock of the recording.
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Point:
    """The value under one set of labels; that of a histogram is its count."""

    labels: dict[str, Any]
    value: float
    sum: float = 0.0
    #: Upper bound of each bucket → how many values it has; the last one is infinity.
    buckets: dict[float, int] = field(default_factory=dict)
    #: Trace and span id of each exemplar.
    exemplars: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric with all its points."""

    name: str
    unit: str
    description: str
    #: counter, up-down counter, gauge or histogram.
    kind: str
    points: tuple[Point, ...]

    @property
    def total(self) -> float:
        """The sum of all values."""
        return sum(point.value for point in self.points)

    def by(self, *labels: str) -> dict[Any, float]:
        """
        Return the values by one label, or by tuples of several.

        Points that differ in other labels only are added up; None stands where a label is
        absent.
        """
        found: dict[Any, float] = {}
        for point in self.points:
            keys = tuple(point.labels.get(label) for label in labels)
            key = keys[0] if len(keys) == 1 else keys
            found[key] = found.get(key, 0) + point.value
        return found

    def point(self, labels: Labels | None = None) -> Point:
        """
        Return the only point that has *labels*, and possibly others.

        Raises:
            AssertionError: there is none or several; the message shows the labels there are.
        """
        wanted = dict(labels or {})
        found = [point for point in self.points if wanted.items() <= point.labels.items()]
        if len(found) != 1:
            there = "".join(f"\n  {point.labels} = {point.value:g}" for point in self.points)
            raise AssertionError(
                f"metric {self.name!r}: expected one point with {wanted}, "
                f"found {len(found)}. There are:{there or ' none'}"
            )
        return found[0]

    def value(self, labels: Labels | None = None) -> float:
        """Return the value of the only point that has *labels*; raises like `point`."""
        return self.point(labels).value


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log record as it would be exported."""

    message: str
    #: DEBUG, INFO, WARN, ERROR or FATAL.
    level: str
    logger: str
    #: Empty outside of a span.
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    #: Seconds on the clock of the recording.
    time: float
