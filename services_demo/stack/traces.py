# SPDX-License-Identifier: Apache-2.0
"""Ask Zipkin for a trace."""

from __future__ import annotations

import time
from typing import Any

import httpx

#: The way of one order: who must be seen in its trace.
WAY = ("shop-api", "shop-worker", "mes-worker", "crm-worker")
_LINK = "otlp.link.0"


def of_caller(url: str, caller_trace_id: str) -> str:
    """
    Return the id of our trace that links to a customer's; empty if Zipkin does not know it now.

    The Shop stands at the edge: it takes no trace of a stranger, and keeps where he came from.
    """
    # The Collector writes a link as a tag: trace|span|…
    wanted = {"serviceName": WAY[0], "annotationQuery": _LINK, "limit": 100}
    for trace in _asked(f"{url}/api/v2/traces", wanted):
        for span in trace:
            if span.get("tags", {}).get(_LINK, "").startswith(caller_trace_id + "|"):
                return str(span["traceId"])
    return ""


def services(url: str, trace_id: str) -> list[str]:
    """Return the services that have spans in the trace; empty if Zipkin does not know it now."""
    spans = _asked(f"{url}/api/v2/trace/{trace_id}") if trace_id else []
    return sorted({span["localEndpoint"]["serviceName"] for span in spans})


def wait_for_way(url: str, caller_trace_id: str, seconds: float) -> tuple[str, list[str]]:
    """
    Ask until the trace of a customer's order has all of `WAY` or time is up.

    Returns its id, and who is in it.
    """
    deadline = time.monotonic() + seconds
    trace_id = ""
    while True:
        trace_id = trace_id or of_caller(url, caller_trace_id)
        seen = services(url, trace_id)
        if set(WAY) <= set(seen) or time.monotonic() > deadline:
            return trace_id, seen
        time.sleep(0.5)


def page(url: str, trace_id: str) -> str:
    """Return the address of the page that shows the trace."""
    return f"{url}/zipkin/traces/{trace_id}"


def _asked(address: str, parameters: dict[str, Any] | None = None) -> list[Any]:
    try:
        answer = httpx.get(address, params=parameters, timeout=5)
    except httpx.HTTPError:
        return []
    return list(answer.json()) if answer.status_code == httpx.codes.OK else []
