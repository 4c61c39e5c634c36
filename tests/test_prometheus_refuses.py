# SPDX-License-Identifier: Apache-2.0
"""The words with which a real Prometheus refuses OTLP are those that the doctor looks for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from otel_setup.doctor import answers
from tests.prometheus_server import Prometheus

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus that is ready; its own, so that no other test finds these metrics."""
    started = Prometheus(tmp_path_factory.mktemp("prometheus"))
    try:
        started.wait_for("query", query="vector(1)")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


@pytest.mark.parametrize("late", [0, 6 * 3600])
def test_the_words_are_known(prometheus: Prometheus, late: int) -> None:
    """Another value for a time that has one, and a time that is too long ago."""
    now = time.time()

    def send(seconds: float, value: float) -> httpx.Response:
        point = {"timeUnixNano": str(int(seconds * 1e9)), "asDouble": value}
        gauge = {"name": f"doctor.test.{late}", "unit": "{probe}", "gauge": {"dataPoints": [point]}}
        scopes = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [gauge]}]}]}
        return httpx.post(f"{prometheus.url}/api/v1/otlp/v1/metrics", json=scopes, timeout=10)

    assert send(now, 1).status_code == 200
    refusal = send(now - late, 2)

    assert refusal.status_code == 400
    assert answers.refused_by_prometheus(refusal.text)
