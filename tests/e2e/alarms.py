# SPDX-License-Identifier: Apache-2.0
"""What the company's alerts say: in Prometheus, and on the page of who is called."""

from __future__ import annotations

import time
from typing import Any

import httpx

from e2e.running import Stack, poll_until
from services_demo.stack import launch

#: It fires always: its messages are the heartbeat.
WATCHDOG = "Watchdog"

#: What says that the machine of the tests is too busy is no mistake of the rules.
BUSY = {
    "DatabaseConnectionsComeLate",
    "DatabaseQueriesSlow",
    "HostCpuSaturated",
    "ServiceIsSlow",
}

#: What says that customers are here and nobody orders is right between the tests.
BESIDES = BUSY | {"NoOrdersWhileCustomersAreHere", "OrdersDropped"}


def pager(stack: Stack) -> dict[str, Any]:
    """Return what the pager knows; nothing while it does not answer."""
    try:
        answer = httpx.get(f"{stack.url('pager')}/api/notifications", timeout=10)
        return dict(answer.json())
    except httpx.HTTPError:
        return {"heartbeat": {"state": "no answer"}, "notifications": []}


def heartbeat(stack: Stack) -> dict[str, Any]:
    """Return whether the pager hears that the monitoring is alive."""
    return dict(pager(stack)["heartbeat"])


def notifications(stack: Stack) -> list[dict[str, Any]]:
    """Return what the pager was told, the newest first."""
    return list(pager(stack)["notifications"])


def heard(stack: Stack, name: str, since: float, status: str = "firing") -> list[dict[str, Any]]:
    """Return the notifications of the alert *name* that began after *since*."""
    return [
        each
        for each in notifications(stack)
        if each["labels"]["alertname"] == name
        and each["status"] == status
        and each["starts_at"] > since
    ]


def news(stack: Stack, since: float) -> set[str]:
    """Return the names of all alerts that began after *since* and were told."""
    return {
        each["labels"]["alertname"]
        for each in notifications(stack)
        if each["starts_at"] > since and is_ours(stack, each)
    }


def wait(
    stack: Stack, name: str, since: float, seconds: float, status: str = "firing"
) -> dict[str, Any]:
    """Wait until the alert *name* is told as *status*, and say how long it took."""
    found = poll_until(
        lambda: heard(stack, name, since, status), bool, f"{name} to be told as {status}", seconds
    )
    print(f"{name}: {status} told {time.time() - since:.1f} s after the fault")  # noqa: T201 - with -rP
    return found[0]


def is_ours(stack: Stack, alert: dict[str, Any]) -> bool:
    """Tell whether *alert* is about the company, not about what a test ran beside it and ended."""
    labels = alert["labels"]
    if labels["alertname"] != "ServiceSilent":
        return True
    programs = (each.environment.get("OTEL_SERVICE_NAME") for each in launch.programs(stack.place))
    return labels["job"] in set(programs)


def firing(stack: Stack) -> set[str]:
    """Return the names of the alerts that fire in Prometheus."""
    answer = httpx.get(f"{stack.url('prometheus')}/api/v1/alerts", timeout=10)
    return {
        each["labels"]["alertname"]
        for each in answer.json()["data"]["alerts"]
        if each["state"] == "firing" and is_ours(stack, each)
    }


def begin(stack: Stack) -> float:
    """
    Return the time at which no alert fires but `BESIDES`.

    What the fault of the test before left behind would else be told as one of the next fault.
    """
    poll_until(lambda: firing(stack) - BESIDES, lambda seen: seen == {WATCHDOG}, "calm", 120)
    return time.time()
