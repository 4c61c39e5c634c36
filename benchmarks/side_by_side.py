# SPDX-License-Identifier: Apache-2.0
"""
Clients that take turns, each a process with an instrumentation of its own.

What is read is each process's own account of its processor time, so that a busy machine disturbs
all of them alike. A client answers each number on its standard input with one line of costs.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import statistics
import subprocess
import sys
from collections.abc import Collection
from typing import IO, Any

Costs = tuple[float, ...]


def provide() -> None:
    """Set up the SDK as a service has it, with exporters that forget."""
    from opentelemetry import metrics, trace  # noqa: PLC0415 - bare has none of it
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import (  # noqa: PLC0415
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class Nothing(SpanExporter):
        def export(self, _spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Nothing()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def instrument(path: str) -> None:
    """Set up the SDK and the instrumentor that *path* names, as ``module:name``; '' for neither."""
    if not path:
        return
    provide()
    module, _, name = path.partition(":")
    getattr(importlib.import_module(module), name)().instrument()


def answer(*costs: float) -> None:
    """Answer one number of calls with what one of each kind cost, in microseconds."""
    print(*costs, flush=True)  # noqa: T201 - the answer


def measure(
    module: str, variants: Collection[str], url: str, rounds: int, calls: int
) -> dict[str, list[Costs]]:
    """Return what *module*'s client says with each of *variants*, round by round."""
    order = random.Random(5)  # noqa: S311 - no secret
    found: dict[str, list[Costs]] = {name: [] for name in variants}
    with contextlib.ExitStack() as stack:
        clients = {}
        for name in variants:
            command = [sys.executable, "-m", module, "--client", name, "--url", url]
            clients[name] = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for number in range(-1, rounds):
            for name in order.sample(list(variants), len(variants)):
                cost = _ask(clients[name], calls)
                if number >= 0:  # the first is for imports and caches
                    found[name].append(cost)
        for client in clients.values():
            _line(client.stdin).close()
    return found


def medians(found: dict[str, list[Costs]]) -> dict[str, list[float]]:
    """Return the median of each kind of cost, for each variant."""
    return {
        name: [statistics.median(kind) for kind in zip(*costs, strict=True)]
        for name, costs in found.items()
    }


def _ask(client: subprocess.Popen[str], calls: int) -> Costs:
    print(calls, file=_line(client.stdin), flush=True)
    return tuple(map(float, _line(client.stdout).readline().split()))


def _line(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise ValueError("the client has no pipe")
    return stream
