# SPDX-License-Identifier: Apache-2.0
"""How an end-to-end test sees the running stack."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import psycopg
import pytest

from services_demo.stack import infrastructure, prometheus
from services_demo.stack.control import Control
from services_demo.stack.layout import REPOSITORY, Layout
from services_demo.traffic.order import FollowedOrder, place_and_follow

R = TypeVar("R")

_UP_SECONDS = 300
DOWN_SECONDS = 120


def run_stack(
    *arguments: str, timeout: float = _UP_SECONDS, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the stack's command line as a user would, with *variables* set."""
    return subprocess.run(
        [sys.executable, "-m", "services_demo.stack", *arguments],
        env={**os.environ, **variables},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def poll_until(ask: Callable[[], R], wanted: Callable[[R], bool], what: str, seconds: float) -> R:
    """Ask until the answer is as *wanted*; a failure says what was waited for and seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = ask()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}; seen last: {seen!r}")
        time.sleep(0.25)


@dataclass(frozen=True)
class Stack:
    """The running stack as a test sees it."""

    place: Layout
    variables: dict[str, str]

    @property
    def control(self) -> Control:
        """The supervisor of this stack."""
        return Control(self.place)

    def url(self, name: str) -> str:
        """Return the address of the part *name*."""
        return self.place.url(name)

    def traffic(self, seconds: int) -> list[str]:
        """Return the command that sends customers, operators and sales for so long."""
        command = [sys.executable, "-m", "services_demo.traffic"]
        for service in ("shop", "mes", "crm"):
            command += [f"--{service}", self.url(service)]
        return [*command, "--rate", "60", "--duration", f"{seconds}s"]

    def query(self, promql: str) -> list[prometheus.Sample]:
        """Ask this stack's Prometheus."""
        return prometheus.query(self.url("prometheus"), promql)

    def rows(self, database: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask one of the databases."""
        url = infrastructure.database_url(self.place, database, database)
        with psycopg.connect(url) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[call-overload]

    def follow_order(self, timeout: float = 60.0) -> FollowedOrder:
        """Take one order from sign-in to the customer's notification."""
        return place_and_follow(
            self.url("shop"), self.url("mes"), self.url("crm"), timeout=timeout, traced=True
        )

    @contextmanager
    def customer(self, email: str = "customer@example.com") -> Iterator[httpx.Client]:
        """Yield a client of the Shop that is signed in."""
        with httpx.Client(base_url=self.url("shop"), timeout=30) as client:
            answer = client.post("/sessions", json={"email": email, "name": "A Customer"})
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            yield client

    @contextmanager
    def operator(self, name: str = "anna") -> Iterator[httpx.Client]:
        """Yield a client of the MES that is signed in."""
        with httpx.Client(base_url=self.url("mes"), timeout=30) as client:
            answer = client.post("/operator/sessions", json={"operator": name})
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            yield client

    def await_prometheus(self) -> None:
        """Wait until Prometheus answers again; it reads its log first."""

        def is_ready() -> bool:
            try:
                return httpx.get(f"{self.url('prometheus')}/-/ready", timeout=2).is_success
            except httpx.TransportError:
                return False

        poll_until(is_ready, bool, "Prometheus", 60)

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """Stop *part* for the length of the block."""
        self.control.stop([part], 40)
        try:
            yield
        finally:
            self.control.start(part)
