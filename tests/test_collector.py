# SPDX-License-Identifier: Apache-2.0
"""The configurations are accepted by the programs that read them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from services_demo.stack.layout import REPOSITORY, build_folder_from

_CONFIG = REPOSITORY / "collector" / "config.yaml"
#: What is read besides it where it is needed.
_MORE = (_CONFIG.with_name("rabbitmq-management.yaml"),)
_FILES = pytest.mark.parametrize("file", [_CONFIG, *_MORE], ids=lambda path: path.name)


def _run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    program = str(build_folder_from(os.environ) / "bin" / command[0])
    return subprocess.run(
        [program, *command[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **more},
    )


@pytest.mark.stack
@pytest.mark.parametrize("traces", ["zipkin", "otlp_grpc/jaeger"])
def test_the_built_collector_accepts_its_configuration(traces: str) -> None:
    """`otelcol validate` has no complaint, whichever trace store is chosen."""
    answer = _run(
        "otelcol",
        "validate",
        f"--config={_CONFIG}",
        OTELCOL_POSTGRES_PASSWORD="x",  # noqa: S106 - a placeholder, nothing connects
        OTELCOL_TRACES_EXPORTER=traces,
    )

    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.stack
def test_the_collector_names_a_trace_store_that_it_does_not_know() -> None:
    """A typing error in the variable is named by the Collector."""
    answer = _run("otelcol", "validate", f"--config={_CONFIG}", OTELCOL_TRACES_EXPORTER="zipkni")

    assert answer.returncode == 1
    assert 'references exporter "zipkni" which is not configured' in answer.stderr


@pytest.mark.stack
def test_prometheus_and_alertmanager_accept_theirs() -> None:
    """Promtool and amtool have no complaint."""
    docker = REPOSITORY / "docker"
    prometheus = _run("promtool", "check", "config", str(docker / "prometheus/prometheus.yml"))
    alertmanager = _run("amtool", "check-config", str(docker / "alertmanager/alertmanager.yml"))

    assert (prometheus.returncode, alertmanager.returncode) == (0, 0)


@_FILES
def test_memory_limiter_is_first_in_every_pipeline(file: Path) -> None:
    """What it refuses is sent again; what is dropped behind another processor is lost."""
    pipelines = yaml.safe_load(file.read_text())["service"]["pipelines"]

    assert {name: p["processors"][0] for name, p in pipelines.items()} == dict.fromkeys(
        pipelines, "memory_limiter"
    )


@_FILES
def test_no_batch_processor_stands_before_a_queue(file: Path) -> None:
    """Batches are made behind the persistent queues."""
    config = yaml.safe_load(file.read_text())

    assert [name for name in config["processors"] if name.startswith("batch")] == []


@_FILES
def test_every_address_of_the_collector_is_a_variable(file: Path) -> None:
    """No port stands in the file but as a default."""
    lines = [
        line
        for line in file.read_text().splitlines()
        if "127.0.0.1" in line and "${env:" not in line and not line.lstrip().startswith("#")
    ]

    assert lines == []


def test_the_readme_of_the_collector_names_every_variable() -> None:
    """A variable that is not documented does not exist for whoever runs it."""
    text = "".join(file.read_text() for file in (_CONFIG, *_MORE))
    used = set(re.findall(r"\$\{env:(\w+)", text))
    readme = (_CONFIG.parent / "README.md").read_text()
    named = set(re.findall(r"`(OTELCOL_\w+)`", readme))

    assert used == named
