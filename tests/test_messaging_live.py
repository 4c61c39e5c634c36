# SPDX-License-Identifier: Apache-2.0
"""What a real client of a real broker sends is what panels show and the alert reads."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_setup.catalogue import messaging, services
from otel_setup.catalogue.model import COMMON_LABELS
from otel_setup.catalogue.promql import WINDOW
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import rules
from tests.broker import Broker
from tests.programs import environment
from tests.prometheus_server import Prometheus

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

_LAUNCHER = str(Path(sys.executable).with_name("opentelemetry-instrument"))
_PROGRAM = Path(__file__).with_name("amqp_programs") / "everything.py"
_JOB = "everything"
#: Panel and legend of each query of the dashboard about messages → its expression, as Grafana asks.
QUERIES = {
    f"{panel.title} {query.legend}": query.expr.over("1m").text.replace("$job", ".+")
    for panel in messaging.DASHBOARD.panels
    for query in panel.queries
}
MINE = Catalogue(title="Mine", components=services.components(), dashboards=services.DASHBOARDS)


@pytest.fixture(scope="module")
def prometheus(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with our rules, to which a client of the broker sends what it measures."""
    text = next(text for name, text in rules.pages(MINE).items() if "messaging" in str(name))
    started = Prometheus(tmp_path_factory.mktemp("prometheus"), rules=text)
    client = None
    try:
        started.wait_for("query", query="vector(1)")
        client = subprocess.Popen(
            [_LAUNCHER, sys.executable, str(_PROGRAM)],
            env=environment(
                BROKER=broker.url,
                QUEUE=broker.queue(),
                NOWHERE="no.such.queue",
                OTEL_SERVICE_NAME=_JOB,
                OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{started.url}/api/v1/otlp/v1/metrics",
                OTEL_METRIC_EXPORT_INTERVAL="1000",
                OTEL_TRACES_EXPORTER="none",
                OTEL_LOGS_EXPORTER="none",
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


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_has_something_to_show(prometheus: Prometheus, query: str) -> None:
    """Its metrics and labels are called so, and the numbers are numbers."""
    assert WINDOW not in QUERIES[query]
    assert math.isfinite(value(prometheus, QUERIES[query]))


def test_what_arrives_is_what_the_catalogue_says(prometheus: Prometheus) -> None:
    """Every metric, with labels that its entry has."""
    prometheus.wait_for("query", query='messaging_rabbitmq_connection_opens_total{error_type!=""}')
    found: dict[str, set[str]] = {}
    for series in prometheus.wait_for("series", **{"match[]": '{__name__=~"messaging_.+"}'}):
        labels = set(series) - COMMON_LABELS - {"__name__", "le"}
        found.setdefault(series["__name__"], set()).update(labels)
    known = {name: set(each.labels) for each in messaging.METRICS for name in each.series}
    assert found.keys() == known.keys()
    assert {name: found[name] - known[name] for name in found if found[name] - known[name]} == {}


@pytest.mark.parametrize("why", ["KeyError", "reject", "requeue"])
def test_a_message_that_failed_is_told(prometheus: Prometheus, why: str) -> None:
    """With the service, the queue and what happened, which is all that a person needs to begin."""
    alert = f'ALERTS{{alertname="MessageProcessingFails", error_type="{why}"}}'
    found: list[dict[str, Any]] = prometheus.wait_for("query", query=alert)
    told = found[0]["metric"]
    assert (told["job"], told["urgency"], told["severity"]) == (_JOB, "now", "critical")
    assert (
        told["queue"] == told["messaging_rabbitmq_queue_name"] == told["messaging_destination_name"]
    )
