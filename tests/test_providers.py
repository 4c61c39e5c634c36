# SPDX-License-Identifier: Apache-2.0
"""Providers start completely or not at all."""

from __future__ import annotations

import sys

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_setup import ConfigError, Settings
from otel_setup._limits import views
from otel_setup._providers import Providers


def bounds(name: str, unit: str) -> tuple[float, ...]:
    """Return the bounds that a histogram of upstream gets."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False, views=views())
    provider.get_meter("upstream").create_histogram(name, unit).record(1)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    return tuple(point.explicit_bounds)


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        (
            "db.client.operation.duration",
            "s",
            (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
        ),
        (
            "http.server.response.body.size",
            "By",
            (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8),
        ),
        (
            "http.server.request.body.size",
            "By",
            (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8),
        ),
    ],
)
def test_histograms_of_upstream_get_bounds_that_fit(
    name: str, unit: str, expected: tuple[float, ...]
) -> None:
    """Upstream gives these none, and the SDK's own are for milliseconds."""
    assert bounds(name, unit) == expected


def problems_of(**variables: str) -> list[str]:
    """Return why the providers do not start; a start would fail the test."""
    with pytest.raises(ConfigError) as raised:
        Providers(Settings.from_env(variables))
    return raised.value.problems


def test_an_exporter_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that are missing are named at once, with the command that installs them."""
    for name in [name for name in sys.modules if name.startswith("otel_setup._prometheus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
    for signal in ("trace", "_log"):
        module = f"opentelemetry.exporter.otlp.proto.grpc.{signal}_exporter"
        monkeypatch.setitem(sys.modules, module, None)
    assert problems_of(
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
    ) == [
        (
            "OTEL_TRACES_EXPORTER='otlp': its package is not installed (import of "
            "opentelemetry.exporter.otlp.proto.grpc.trace_exporter halted; None in sys.modules). "
            "Install it with: pip install 'otel-setup[grpc]'"
        ),
        (
            "OTEL_METRICS_EXPORTER='prometheus': its package is not installed (import of "
            "prometheus_client.core halted; None in sys.modules). "
            "Install it with: pip install 'otel-setup[prometheus]'"
        ),
        (
            "OTEL_LOGS_EXPORTER='otlp': its package is not installed (import of "
            "opentelemetry.exporter.otlp.proto.grpc._log_exporter halted; None in sys.modules). "
            "Install it with: pip install 'otel-setup[grpc]'"
        ),
    ]


def test_an_exporter_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that only the exporter knows is no reason for a stack trace."""
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "nobody")
    assert problems_of(OTEL_METRICS_EXPORTER="none") == [
        (
            "OTEL_TRACES_EXPORTER='otlp': it cannot start (RuntimeError: Requested component "
            "'nobody' not found in entry point 'opentelemetry_otlp_credential_provider'). "
            "Check the variables of the exporter."
        )
    ]
