# SPDX-License-Identifier: Apache-2.0
"""The catalogue as the checks look things up in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.model import COMMON_LABELS, Label, Metric
from otel_setup.catalogue.whole import Catalogue

#: What Prometheus writes about each target and alert by itself; it needs no entry to be there.
BY_ITSELF = frozenset(
    {
        *("ALERTS", "ALERTS_FOR_STATE", "up", "target_info", "otel_scope_info"),
        *("scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added"),
        *("scrape_samples_post_metric_relabeling", "scrape_timeout_seconds"),
        *("scrape_sample_limit", "scrape_body_size_bytes"),
    }
)
#: Their labels are those of whatever they tell about.
OPEN_LABELS = frozenset({"ALERTS", "ALERTS_FOR_STATE", "target_info", "otel_scope_info"})
#: Labels that make a histogram or summary out of several series.
PART_LABELS = frozenset({"le", "quantile"})


@dataclass(frozen=True)
class Known:
    """What *catalogue* says of a series, by the name that Prometheus stores it under."""

    catalogue: Catalogue

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The entry of every series name."""
        return {
            series: metric for metric in self.catalogue.metrics.values() for series in metric.series
        }

    def labels(self, series: str) -> frozenset[str] | None:
        """Return all labels that *series* may have; None if that cannot be known."""
        metric = self.metrics.get(series)
        if metric is None or series in OPEN_LABELS:
            return None
        return frozenset(own_labels(metric)) | COMMON_LABELS | PART_LABELS


def own_labels(metric: Metric) -> dict[str, Label]:
    """Return the labels of *metric* with what its rule adds."""
    added = dict(metric.adds) if isinstance(metric, Recording) else {}
    fixed = {key: Label("added by the rule", values=(value,)) for key, value in added.items()}
    return fixed | metric.labels
