# SPDX-License-Identifier: Apache-2.0
"""What a real client of a real broker sends is what panels show and the alert reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_setup.catalogue import messaging
from otel_setup.catalogue.promql import WINDOW
from tests.broker import Broker
from tests.live_metrics import JOB, declared, labels, measured, queries, rules_of, value
from tests.prometheus_server import Prometheus

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

_PROGRAM = Path(__file__).with_name("amqp_programs") / "everything.py"
QUERIES = queries(messaging.DASHBOARD)


@pytest.fixture(scope="module")
def prometheus(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with our rules, to which a client of the broker sends what it measures."""
    with measured(
        tmp_path_factory.mktemp("prometheus"),
        rules_of("messaging"),
        _PROGRAM,
        BROKER=broker.url,
        QUEUE=broker.queue(),
        NOWHERE="no.such.queue",
    ) as started:
        yield started


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_has_something_to_show(prometheus: Prometheus, query: str) -> None:
    """Its metrics and labels are called so, and the numbers are numbers."""
    assert WINDOW not in QUERIES[query]
    assert math.isfinite(value(prometheus, QUERIES[query]))


def test_what_arrives_is_what_the_catalogue_says(prometheus: Prometheus) -> None:
    """Every metric, with labels that its entry has."""
    prometheus.wait_for("query", query='messaging_rabbitmq_connection_opens_total{error_type!=""}')
    found, known = labels(prometheus, "messaging_"), declared(messaging.METRICS)
    assert found.keys() == known.keys()
    assert {name: found[name] - known[name] for name in found if found[name] - known[name]} == {}


@pytest.mark.parametrize("why", ["KeyError", "reject", "requeue"])
def test_a_message_that_failed_is_told(prometheus: Prometheus, why: str) -> None:
    """With the service, the queue and what happened, which is all that a person needs to begin."""
    alert = f'ALERTS{{alertname="MessageProcessingFails", error_type="{why}"}}'
    found: list[dict[str, Any]] = prometheus.wait_for("query", query=alert)
    told = found[0]["metric"]
    assert (told["job"], told["urgency"], told["severity"]) == (JOB, "now", "critical")
    assert (
        told["queue"] == told["messaging_rabbitmq_queue_name"] == told["messaging_destination_name"]
    )
