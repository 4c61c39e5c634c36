# SPDX-License-Identifier: Apache-2.0
"""What a panel reads, and why one looks at it."""

from __future__ import annotations

from otel_setup.catalogue.boards import Panel
from otel_setup.catalogue.model import Metric
from otel_setup.catalogue.whole import Catalogue


def metrics(catalogue: Catalogue, panel: Panel) -> list[Metric]:
    """Return the metrics that *panel* reads, in the order in which its queries name them."""
    text = " ".join(query.expr.text for query in panel.queries)
    read = [metric for metric in catalogue.metrics.values() if metric.name in panel.metrics]
    return sorted(read, key=lambda metric: text.find(metric.prometheus_name))


def why(catalogue: Catalogue, panel: Panel) -> str:
    """Return the reason of *panel*, else that of the first metric that its queries name."""
    return panel.why or next((metric.why for metric in metrics(catalogue, panel)), "")
