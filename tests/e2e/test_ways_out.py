# SPDX-License-Identifier: Apache-2.0
"""Metrics leave in three ways: pushed by OTLP, pulled from the Collector, and direct."""

from __future__ import annotations

import httpx
import pytest

from e2e.running import Stack, poll_until
from services_demo.traffic.order import FollowedOrder

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def _page(url: str) -> list[str]:
    return httpx.get(f"{url}/metrics", timeout=10).text.splitlines()


def test_the_collector_offers_what_it_pushes(stack: Stack, busy: FollowedOrder) -> None:
    """The pull page has the Shop's request durations under the names that are pushed."""
    assert busy.order_id

    lines = poll_until(
        lambda: [
            line
            for line in _page(stack.url("otelcol_pull"))
            if line.startswith("http_server_request_duration_seconds_count")
            and 'job="shop-api"' in line
            and 'http_route="/orders"' in line
        ],
        bool,
        "the Shop's orders on the pull page",
        20,
    )

    assert all('http_request_method="' in line for line in lines)


def test_a_one_process_service_serves_metrics_itself(stack: Stack, busy: FollowedOrder) -> None:
    """The CRM API's own page counts what its users ask for."""
    assert busy.order_id

    lines = _page(stack.url("crm_metrics"))

    assert any(
        line.startswith("http_server_request_duration_seconds_count{")
        and 'http_route="/notifications"' in line
        for line in lines
    )


def test_the_direct_way_is_not_pushed_as_well(stack: Stack, busy: FollowedOrder) -> None:
    """No request is counted twice: only the scraped series exists."""
    assert busy.order_id
    asked = 'http_server_request_duration_seconds_count{job="crm-api", http_route="/notifications"}'

    instances = {s.labels["instance"] for s in stack.query(asked)}

    assert instances == {stack.place.address("crm_metrics")}


def test_every_exporter_is_up(stack: Stack) -> None:
    """Prometheus reads the broker twice, the host, the Collector, itself and the direct page."""
    jobs = {"alertmanager", "crm-api", "node", "otelcol", "prometheus", "rabbitmq"}

    seen = poll_until(
        lambda: {s.labels["job"] for s in stack.query("up == 1")},
        lambda up: up == {*jobs, "rabbitmq-detailed"},
        "all jobs to be up",
        30,
    )

    assert seen == {*jobs, "rabbitmq-detailed"}


def test_prometheus_has_found_the_alertmanager(stack: Stack) -> None:
    """An alert would find its way to Alertmanager."""
    seen = poll_until(
        lambda: [s.value for s in stack.query("prometheus_notifications_alertmanagers_discovered")],
        lambda values: values == [1.0],
        "one Alertmanager",
        30,
    )

    assert seen == [1.0]


def test_latency_has_exemplars_that_point_to_traces(stack: Stack, busy: FollowedOrder) -> None:
    """A bucket of the Shop's latency names the trace of one of its requests."""
    assert busy.order_id
    metric = 'http_server_request_duration_seconds_bucket{job="shop-api"}'

    def exemplars() -> list[str]:
        answer = httpx.get(
            f"{stack.url('prometheus')}/api/v1/query_exemplars",
            params={"query": metric, "start": "0", "end": "9999999999"},
            timeout=10,
        )
        return [
            exemplar["labels"]["trace_id"]
            for series in answer.json()["data"]
            for exemplar in series["exemplars"]
        ]

    seen = poll_until(exemplars, bool, "an exemplar", 20)

    assert {len(trace) for trace in seen} == {32}


def test_each_worker_process_has_its_own_series(stack: Stack, busy: FollowedOrder) -> None:
    """Two workers of the MES API do not overwrite each other's request counts."""
    assert busy.order_id

    seen = poll_until(
        lambda: stack.query(
            'count(count by (instance) (http_server_request_duration_seconds_count{job="mes-api"}))'
        ),
        lambda samples: [s.value for s in samples] == [2.0],
        "two instances",
        20,
    )

    assert [s.value for s in seen] == [2.0]
