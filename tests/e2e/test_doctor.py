# SPDX-License-Identifier: Apache-2.0
"""The doctor against the real Collector, Prometheus and Zipkin."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e2e.running import Stack
from tests.programs import environment, free_port

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def doctor(*arguments: str, **variables: str) -> dict[str, Any]:
    """Run the command and return what it tells; its exit code fits to that."""
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("otel-setup")), "doctor", "--json", *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    told: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == (0 if told["healthy"] else 1)
    return told


def checks(told: dict[str, Any], level: str) -> list[str]:
    """Return the kinds of the findings of that level."""
    return [each["check"] for each in told["findings"] if each["level"] == level]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_is_sent_arrives(stack: Stack, protocol: str) -> None:
    """Metric in Prometheus, span in Zipkin, in ten seconds; a query finds the mark."""
    told = doctor(
        *("--send", "--prometheus", stack.url("prometheus"), "--traces", stack.url("zipkin")),
        *("--collector-metrics", f"{stack.url('otelcol')}/metrics"),
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=stack.url("otlp_grpc" if protocol == "grpc" else "otlp_http"),
    )

    assert checks(told, "fail") == []
    assert {"arrival.metrics", "arrival.traces"} <= set(checks(told, "ok"))
    assert told["sent"]["seconds"] < 10
    samples = stack.query(f"otel_setup_doctor_probe == {told['sent']['nonce']}")
    assert [sample.labels["job"] for sample in samples] == ["otel-setup-doctor"]


def test_a_pipeline_that_the_collector_does_not_have(stack: Stack) -> None:
    """This Collector takes no logs."""
    told = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=stack.url("otlp_http"), OTEL_LOGS_EXPORTER="otlp")

    assert checks(told, "fail") == ["connection.pipeline"]


@pytest.mark.parametrize(
    ("port", "check"),
    [
        ("prometheus", "connection.not_otlp"),
        ("otlp_grpc", "connection.protocol"),
        ("otelcol", "connection.path"),
        ("zipkin", "connection.path"),
        ("amqp", "connection.not_otlp"),
    ],
)
def test_a_wrong_port_is_named(stack: Stack, port: str, check: str) -> None:
    """What listens there is not the receiver."""
    told = doctor(OTEL_EXPORTER_OTLP_ENDPOINT=stack.url(port))

    assert checks(told, "fail") == [check]


def test_a_collector_that_is_not_there(stack: Stack) -> None:
    """Nothing is sent, and nothing looked for."""
    told = doctor(
        *("--send", "--prometheus", stack.url("prometheus")),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
    )

    assert checks(told, "fail") == ["connection.refused"]
    assert told["sent"] is None


def test_a_prometheus_that_is_away_is_the_broken_hop(stack: Stack) -> None:
    """The Collector has taken the metric; the way ends behind it."""
    with stack.without("prometheus"):
        told = doctor(
            *("--send", "--prometheus", stack.url("prometheus")),
            *("--collector-metrics", f"{stack.url('otelcol')}/metrics"),
            OTEL_EXPORTER_OTLP_ENDPOINT=stack.url("otlp_http"),
        )
    stack.await_prometheus()

    assert checks(told, "fail") == ["arrival.metrics"]
    (lost,) = [each for each in told["findings"] if each["check"] == "arrival.metrics"]
    assert f"Prometheus at {stack.url('prometheus')} does not answer" in lost["seen"]
