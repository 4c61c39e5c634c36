# SPDX-License-Identifier: Apache-2.0
"""
From what the SDK collected to the metrics of a page, one family per name.

Two scopes may use one name: their labels keep the series apart. Two kinds under one name are
a mistake that no format can show; the first one stays and the log names the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.core import Metric as Family

from otel_setup import instruments
from otel_setup._prometheus import names
from otel_setup._prometheus.series import Distribution, Exemplars, Number

_logger = logging.getLogger("otel_setup")

#: What a family of each kind adds to its own name: no other family may have these names.
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "info": ("_info",),
}


@dataclass(slots=True)
class _Draft:
    kind: str
    unit: str
    help: str
    #: By labels, so that no series is shown twice.
    series: dict[tuple[tuple[str, str], ...], Number | Distribution] = field(default_factory=dict)


class Translator:
    """
    Turns collected metrics into families; one for each page.

    It remembers exemplars, which the SDK gives away once, and what it has complained about.
    """

    def __init__(self) -> None:
        self._exemplars = Exemplars()
        self._said: set[str] = set()

    def families(self, data: MetricsData, *, openmetrics: bool) -> list[Family]:
        """Return *data* for the format OpenMetrics or the older text format."""
        drafts: dict[str, _Draft] = {}
        taken: dict[str, str] = {}
        found: list[Family] = []
        for collected in data.resource_metrics:
            # One page is one process, so there is one resource.
            if not found:
                found.append(_target(collected.resource))
                _take(taken, "target", "info")
            for scope in collected.scope_metrics:
                common = _of_scope(scope.scope)
                for metric in scope.metrics:
                    try:
                        self._add(drafts, taken, metric, common)
                    except Exception as error:  # noqa: BLE001 - the others are still shown
                        self._complain(
                            metric.name, f"cannot be shown ({type(error).__name__}: {error})"
                        )
        for name, draft in drafts.items():
            if not draft.series:
                continue
            family = Family(name, draft.help, draft.kind, draft.unit)
            for labels, series in draft.series.items():
                series.show(family, dict(labels), self._exemplars, openmetrics=openmetrics)
            found.append(family)
        self._exemplars.forget()
        return found

    def _add(
        self,
        drafts: dict[str, _Draft],
        taken: dict[str, str],
        metric: Metric,
        common: dict[str, str],
    ) -> None:
        kind = _kind(metric)
        name = names.metric_name(
            metric.name,
            metric.unit or "",
            counter=kind == "counter",
            gauge=isinstance(metric.data, Gauge),
        )
        if kind == "counter":
            # The formats know a counter by its ending, and one that is called "total" has none.
            kind = kind if name.endswith("_total") else "unknown"
            name = name.removesuffix("_total")
        unit = names.unit_name(metric.unit or "")
        unit = unit if name.endswith(f"_{unit}") else ""
        draft = drafts.get(name)
        if draft is None:
            other = next((taken[each] for each in _names(name, kind) if each in taken), None)
            if other is not None:
                self._complain(metric.name, f"takes a name of {other}, which is shown")
                return
            _take(taken, name, kind)
            draft = _Draft(kind, unit, names.label_value(metric.description or ""))
            drafts[name] = draft
        elif (draft.kind, draft.unit) != (kind, unit):
            self._complain(metric.name, f"is a {kind} of another scope's {draft.kind} {name}")
            return
        for attributes, series in self._series(metric):
            named = {**names.labels(attributes.items()), **common}
            if kind == "histogram":
                named.pop("le", None)  # there it is the bound
            labels = tuple(named.items())
            if labels in draft.series:
                draft.series[labels].merge(series)
            else:
                draft.series[labels] = series

    def _series(self, metric: Metric) -> Iterator[tuple[Any, Number | Distribution]]:
        for point in metric.data.data_points:
            if not isinstance(point, NumberDataPoint):
                yield point.attributes or {}, Distribution.of(point)
                continue
            number = Number.of(point, adds=isinstance(metric.data, Sum))
            if metric.name in instruments.OLDER:
                number.start = 0  # it did not begin with this process
            if _kind(metric) == "counter" and not number.value >= 0:
                self._complain(metric.name, f"is a counter and has the value {number.value:g}")
                continue
            yield point.attributes or {}, number

    def _complain(self, name: str, fault: str) -> None:
        """Say once what is missing on the page."""
        if name not in self._said:
            self._said.add(name)
            _logger.warning(
                "metric %r %s. It is not on the /metrics page. Give it another name or value.",
                name,
                fault,
            )


def _kind(metric: Metric) -> str:
    """Return the type that Prometheus knows *metric* by."""
    if isinstance(metric.data, Histogram | ExponentialHistogram):
        return "histogram"
    if isinstance(metric.data, Sum) and metric.data.is_monotonic:
        return "counter"
    return "gauge"


def _names(name: str, kind: str) -> Iterator[str]:
    yield name
    for suffix in _SUFFIXES.get(kind, ()):
        yield name + suffix


def _take(taken: dict[str, str], name: str, kind: str) -> None:
    taken.update(dict.fromkeys(_names(name, kind), f"the {kind} {name}"))


def _target(resource: Resource) -> Family:
    """Return what is known of the process, as the metric target_info."""
    family = Family("target", "What is known of the process that serves this page.", "info")
    family.add_sample("target_info", names.labels(resource.attributes.items()), 1)
    return family


def _of_scope(scope: InstrumentationScope) -> dict[str, str]:
    """Return the labels that tell the series of one library from those of another."""
    if not scope.name:
        return {}
    attributes = {f"otel_scope_{key}": value for key, value in (scope.attributes or {}).items()}
    own = {
        "otel_scope_name": scope.name,
        "otel_scope_version": scope.version,
        "otel_scope_schema_url": scope.schema_url,
    }
    return names.labels({**attributes, **own}.items())
