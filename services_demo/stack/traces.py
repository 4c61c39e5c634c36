# SPDX-License-Identifier: Apache-2.0
"""Ask Zipkin for a trace."""

from __future__ import annotations

import time

import httpx

#: The way of one order: who must be seen in its trace.
WAY = ("shop-api", "shop-worker", "mes-worker", "crm-worker")


def services(url: str, trace_id: str) -> list[str]:
    """Return the services that have spans in the trace; empty if Zipkin does not know it now."""
    try:
        answer = httpx.get(f"{url}/api/v2/trace/{trace_id}", timeout=5)
    except httpx.HTTPError:
        return []
    if answer.status_code != httpx.codes.OK:
        return []
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
