# SPDX-License-Identifier: Apache-2.0
"""What the stack's own command line says when something is wrong, and that it harms nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest

from e2e.running import Stack, run_stack
from services_demo.stack.layout import MARK, REPOSITORY, build_folder_from

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def _processes(folder: Path) -> list[str]:
    """Names of all processes that carry the mark of the stack in *folder*."""
    seen = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder):
                seen.append(process.name())
        except psutil.Error:
            continue
    return seen


def test_a_second_start_says_so_and_harms_nothing(stack: Stack) -> None:
    """`up` beside a running stack is refused, and every process stays the same."""
    before = {name: info["pid"] for name, info in stack.control.processes().items()}

    answer = run_stack("up", **stack.variables)

    after = {name: info["pid"] for name, info in stack.control.processes().items()}
    assert answer.returncode == 1
    assert answer.stderr.strip() == (
        f"the stack in {stack.place.folder} runs already: Shop {stack.url('shop')}, "
        f"Prometheus {stack.url('prometheus')}. Nothing was changed. "
        "Stop it with `make down`, or give another STACK_DIR with STACK_PORTS=free."
    )
    assert after == before


def test_a_taken_port_starts_nothing(stack: Stack, tmp_path: Path) -> None:
    """A stack whose port another program holds names it and leaves no process."""
    port = stack.place.port("prometheus")
    variables = {"STACK_DIR": str(tmp_path), "STACK_PORT_SHOP": str(port)}

    answer = run_stack("up", **variables)

    assert answer.returncode == 1
    assert f"port {port} (shop) is taken by process " in answer.stderr
    assert "bin/prometheus" in answer.stderr
    assert f"STACK_PORT_SHOP={port + 10000}" in answer.stderr
    assert _processes(tmp_path) == []


def test_a_part_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    """When one part ends at its start: which, its last lines, what to do; all else is stopped."""
    build = tmp_path / "build"
    (build / "bin").mkdir(parents=True)
    real = build_folder_from(os.environ)
    for built in [*real.glob("bin/*"), real / "prometheus", real / "zipkin.jar"]:
        (build / built.relative_to(real)).symlink_to(built)
    broken = build / "bin" / "alertmanager"
    broken.unlink()
    broken.write_text("#!/bin/sh\necho 'the configuration is upside down'\nexit 3\n")
    broken.chmod(0o755)
    folder = REPOSITORY / ".stack" / "failing"

    answer = run_stack("up", STACK_DIR=str(folder), STACK_PORTS="free", STACK_BUILD_DIR=str(build))

    left = _processes(folder)
    shutil.rmtree(folder)
    assert answer.returncode == 1
    assert "alertmanager (Alertmanager) did not become ready in " in answer.stderr
    assert "    the configuration is upside down" in answer.stderr
    assert "run `make demo` once more" in answer.stderr
    assert left == []


def test_status_shows_every_part_and_its_memory(stack: Stack) -> None:
    """One line per part, and the sum."""
    answer = run_stack("status", **stack.variables)

    lines = [line.split() for line in answer.stdout.splitlines()]
    assert {line[0] for line in lines} == {*stack.control.processes(), "all"}
    assert all(line[-1] == "MiB" for line in lines)


def test_an_unknown_log_names_those_that_exist(stack: Stack) -> None:
    """A typing error in a name is answered with the names that there are."""
    answer = run_stack("logs", "shop", **stack.variables)

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"\nno log 'shop' in {stack.place.logs}. There are: ")
    assert "shop-api" in answer.stderr
