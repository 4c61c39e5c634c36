# SPDX-License-Identifier: Apache-2.0
"""
Let each count begin at zero for whoever stores it.

A counter that is first seen at 1 has not risen: neither `increase` nor an alert notices the
first failure of its kind. So the first time that a count is delivered, the zero that it was
before goes with it. A total that is older than the process did not begin with it: it is
delivered without a beginning, or every start of the process would look like that many events.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from otel_setup import instruments
from otel_setup._guard import quiet

#: How long before its birth a count is said to have been zero: with two samples close together
#: Prometheus takes the rise for the middle of a steep one, and makes two failures of one.
_BEFORE = 30 * 10**9
_MILLISECOND = 10**6


class Births:
    """An exporter of metrics that tells what was not there before; all else is *inner*'s."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.renew()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def renew(self) -> None:
        """Begin anew, as a forked child does: nothing was counted before, nor delivered."""
        self._began = time.time_ns()
        self._delivered = 0
        #: Whether the last export arrived.
        self.arrived = True

    def export(self, metrics_data: Any, *args: Any, **kwargs: Any) -> Any:
        """Export *metrics_data*, and the zeros of what is delivered for the first time."""
        whole, newest = metrics_data, 0
        with quiet("telling that a count began at zero"):
            whole, newest = self._whole(metrics_data)
        self.arrived = False
        result = self.inner.export(whole, *args, **kwargs)
        self.arrived = getattr(result, "name", "SUCCESS") == "SUCCESS"
        if self.arrived:
            self._delivered = max(self._delivered, newest)
        return result

    def _whole(self, metrics_data: Any) -> tuple[Any, int]:
        """Return *metrics_data* with what is missing, and when it was collected."""
        newest, changed, resources = 0, False, []
        for resource in metrics_data.resource_metrics:
            scopes = []
            for scope in resource.scope_metrics:
                metrics = []
                for metric in scope.metrics:
                    points = metric.data.data_points
                    older = metric.name in instruments.OLDER
                    if scope.scope.name != instruments.SCOPE:
                        pass
                    elif older:
                        points = [_without_beginning(point) for point in points]
                    elif _is_count(metric):
                        newest = max(newest, points[0].time_unix_nano if points else 0)
                        points = [each for point in points for each in self._with_zeros(point)]
                    if older or len(points) != len(metric.data.data_points):
                        changed = True
                        data = dataclasses.replace(metric.data, data_points=points)
                        metric = dataclasses.replace(metric, data=data)  # noqa: PLW2901
                    metrics.append(metric)
                scopes.append(dataclasses.replace(scope, metrics=metrics))
            resources.append(dataclasses.replace(resource, scope_metrics=scopes))
        whole = dataclasses.replace(metrics_data, resource_metrics=resources)
        return whole if changed else metrics_data, newest

    def _with_zeros(self, point: Any) -> Iterator[Any]:
        born = point.start_time_unix_nano
        if born > self._delivered and _value(point):
            just_before = min(born, point.time_unix_nano) - _MILLISECOND
            # Never before the process: under the same name another one may have counted.
            for moment in (max(self._began, just_before - _BEFORE), just_before):
                if self._began <= moment <= just_before:
                    yield _zero(point, moment)
        yield point


def _without_beginning(point: Any) -> Any:
    """Return *point*, of which nobody knows since when it counts; OTLP says that by 0."""
    return dataclasses.replace(point, start_time_unix_nano=0)


def _is_count(metric: Any) -> bool:
    data = metric.data
    return (
        metric.name in instruments.COUNTS
        and getattr(data.aggregation_temporality, "name", "") == "CUMULATIVE"
    )


def _value(point: Any) -> float:
    value: float = point.count if hasattr(point, "bucket_counts") else getattr(point, "value", 0)
    return value


def _zero(point: Any, moment: int) -> Any:
    """Return *point* as it was at *moment*, when it counted nothing yet."""
    at: dict[str, Any] = {
        "start_time_unix_nano": moment,
        "time_unix_nano": moment,
        "exemplars": [],
    }
    if hasattr(point, "bucket_counts"):
        counts = [0] * len(point.bucket_counts)
        return dataclasses.replace(point, **at, count=0, sum=0, bucket_counts=counts, min=0, max=0)
    return dataclasses.replace(point, **at, value=0)
