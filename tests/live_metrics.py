# SPDX-License-Identifier: Apache-2.0
"""A program whose metrics go to a Prometheus of the test, and what is found there."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from otel_setup.catalogue import services
from otel_setup.catalogue.boards import Dashboard
from otel_setup.catalogue.model import COMMON_LABELS, Metric
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import rules
from tests.programs import environment
from tests.prometheus_server import Prometheus

_MINE = Catalogue(title="Mine", components=services.components(), dashboards=services.DASHBOARDS)

#: What the program is called.
JOB = "everything"
_LAUNCHER = str(Path(sys.executable).with_name("opentelemetry-instrument"))


def queries(dashboard: Dashboard) -> dict[str, str]:
    """Return panel and legend of each query of *dashboard* → its expression, as Grafana asks."""
    return {
        f"{panel.title} {query.legend}": query.expr.over("1m").text.replace("$job", ".+")
        for panel in dashboard.panels
        for query in panel.queries
    }


def rules_of(component: str) -> str:
    """Return the file of rules of a generic *component*."""
    return next(text for name, text in rules.pages(_MINE).items() if Path(name).stem == component)


@contextmanager
def measured(folder: Path, rules: str, program: Path, **variables: str) -> Iterator[Prometheus]:
    """Yield a Prometheus with *rules*, to which *program* sends what it measures."""
    started = Prometheus(folder, rules=rules)
    client = None
    try:
        started.wait_for("query", query="vector(1)")
        client = subprocess.Popen(
            [_LAUNCHER, sys.executable, str(program)],
            env=environment(
                OTEL_SERVICE_NAME=JOB,
                OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{started.url}/api/v1/otlp/v1/metrics",
                OTEL_METRIC_EXPORT_INTERVAL="1000",
                OTEL_TRACES_EXPORTER="none",
                OTEL_LOGS_EXPORTER="none",
                **variables,
            ),
        )
        yield started
    finally:
        for process in (client, started.process):
            if process is not None:
                process.kill()
                process.wait()


def value(prometheus: Prometheus, query: str) -> float:
    """Return the first number that *query* has; none for ever is an answer too."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        data = prometheus.ask("query", query=query) or {}
        numbers = [float(each["value"][1]) for each in data.get("result", [])]
        if numbers and all(map(math.isfinite, numbers)):
            return numbers[0]
        time.sleep(0.5)
    return math.nan


def labels(prometheus: Prometheus, prefix: str) -> dict[str, set[str]]:
    """Return the labels of each series whose name begins with *prefix*, by that name."""
    found: dict[str, set[str]] = {}
    for series in prometheus.wait_for("series", **{"match[]": f'{{__name__=~"{prefix}.+"}}'}):
        own = set(series) - COMMON_LABELS - {"__name__", "le"}
        found.setdefault(series["__name__"], set()).update(own)
    return found


def declared(metrics: Iterable[Metric]) -> dict[str, set[str]]:
    """Return the labels that the catalogue has for each series of *metrics*."""
    return {name: set(each.labels) for each in metrics for name in each.series}
