# SPDX-License-Identifier: Apache-2.0
"""Ask Zipkin for a trace."""

from __future__ import annotations

import time

import httpx

from services_demo.stack.errors import StackError

#: The way of one order: who must be seen in its trace.
WAY = ("shop-api", "shop-worker", "mes-worker", "crm-worker")


def services(url: str, trace_id: str) -> list[str]:
    """Return the services that have spans in the trace; empty if Zipkin does not know it."""
    try:
        answer = httpx.get(f"{url}/api/v2/trace/{trace_id}", timeout=5)
    except httpx.HTTPError as error:
        raise StackError(f"Zipkin at {url} does not answer: {error}") from error
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    answer.raise_for_status()
    return sorted({span["localEndpoint"]["serviceName"] for span in answer.json()})


def wait_for_way(url: str, trace_id: str, seconds: float) -> list[str]:
    """Ask until the trace has all of `WAY` or time is up; returns who is in it."""
    deadline = time.monotonic() + seconds
    while True:
        seen = services(url, trace_id)
        if set(WAY) <= set(seen) or time.monotonic() > deadline:
            return seen
        time.sleep(0.5)


def page(url: str, trace_id: str) -> str:
    """Return the address of the page that shows the trace."""
    return f"{url}/zipkin/traces/{trace_id}"
