# SPDX-License-Identifier: Apache-2.0
"""One real stack for all end-to-end tests: own folder, own ports, nothing left behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from e2e.running import DOWN_SECONDS, Stack, run_stack
from services_demo.stack import layout
from services_demo.stack.control import marked
from services_demo.stack.layout import REPOSITORY
from services_demo.traffic.order import FollowedOrder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that kill parts last."""
    items.sort(key=lambda item: item.get_closest_marker("kills") is not None)


@pytest.fixture(scope="session", name="stack")
def _stack() -> Iterator[Stack]:
    variables = {"STACK_DIR": str(REPOSITORY / ".stack" / "test"), "STACK_PORTS": "free"}
    run_stack("down", timeout=DOWN_SECONDS, **variables)  # what a killed run left
    started = run_stack("up", **variables)
    if started.returncode != 0:
        pytest.fail(f"the stack does not start:\n{started.stdout}\n{started.stderr}")
    place = layout.saved(variables)
    assert place is not None
    try:
        yield Stack(place, variables)
    finally:
        stopped = run_stack("down", timeout=DOWN_SECONDS, **variables)
    assert stopped.returncode == 0, stopped.stderr
    assert [process.cmdline() for process in marked(place)] == []


@pytest.fixture(scope="session", name="busy")
def _busy(stack: Stack) -> FollowedOrder:
    """The first order, after which traffic has run through the whole company."""
    order = stack.follow_order()
    traffic = subprocess.run(
        stack.traffic(45), cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False
    )
    assert traffic.returncode == 0, traffic.stdout + traffic.stderr
    return order
