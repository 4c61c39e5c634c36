# SPDX-License-Identifier: Apache-2.0
"""Wait until the marked data are where people look for them, and else say where they stopped."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException

from otel_setup.doctor import counters
from otel_setup.doctor.counters import Pages
from otel_setup.doctor.findings import Finding, failure, ok
from otel_setup.doctor.hop import REFUSED_FIX, broken
from otel_setup.doctor.probe import Probe
from otel_setup.live.api import NotReachableError, Prometheus, RefusedError

#: Everything is confirmed within this time after the start of sending, or is not.
SECONDS = 10.0
_PAUSE = 0.25
#: Whatever a Prometheus makes of the dots.
_QUERY = '{{__name__=~"otel_setup.doctor.probe.*"}} == {nonce}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look; '' for a place that is not known."""

    prometheus: str = ""
    traces: str = ""
    collector: str = ""

    def pages(self) -> Pages:
        """Return what the programs count about themselves now."""
        return counters.pages(self.collector, self.prometheus)


def accepted(probe: Probe) -> Iterator[Finding]:
    """Yield what the Collector said to each signal."""
    for each in probe.sent:
        if each.refused_by_prometheus:
            yield failure(
                "send.prometheus",
                each.signal,
                f"metric refused by Prometheus ({each.why or each.partial})",
                REFUSED_FIX,
            )
        elif not each.accepted:
            yield failure(
                f"send.{each.signal}",
                each.signal,
                f"the export failed: {each.why}",
                "Mend what the connection says above, or look at the Collector's log.",
            )
        elif each.partial:
            yield failure(
                f"send.{each.signal}",
                each.signal,
                f"the Collector took only a part: {each.partial}",
                "Look at the Collector's processors and log.",
            )
        else:
            yield ok(f"send.{each.signal}", each.signal, "accepted by the Collector")


def confirm(probe: Probe, places: Places, before: Pages, started: float) -> Iterator[Finding]:
    """Yield whether metric and span are where people look for them, within `SECONDS`."""
    taken = {each.signal for each in probe.sent if each.accepted and not each.partial}
    deadline = started + SECONDS
    waiting: dict[str, Callable[[], str]] = {}
    if places.prometheus and "metrics" in taken:
        waiting["metrics"] = lambda: _in_prometheus(places.prometheus, probe.nonce)
    if places.traces and "traces" in taken:
        waiting["traces"] = lambda: _in_traces(places.traces, probe.trace_id)
    trouble: dict[str, str] = {}
    while waiting:
        for signal, ask in list(waiting.items()):
            trouble[signal] = ask()
            if not trouble[signal]:
                del waiting[signal]
                where = places.prometheus if signal == "metrics" else places.traces
                seconds = time.monotonic() - started
                yield ok(f"arrival.{signal}", signal, f"found at {where} after {seconds:.1f} s")
        if waiting and time.monotonic() + _PAUSE > deadline:
            break
        if waiting:
            time.sleep(_PAUSE)
    for signal in waiting:
        if signal == "metrics":
            yield _lost(places, before, trouble[signal])
        else:
            yield failure(
                "arrival.traces",
                "traces",
                f"accepted by the Collector, and not at {places.traces} within {SECONDS:g} s "
                f"({trouble[signal]})",
                "Look at the Collector's exporter of traces, and its sampling.",
            )


def _in_prometheus(url: str, nonce: int) -> str:
    """Return why the metric with the mark *nonce* is not seen; '' when it is."""
    try:
        found = Prometheus(url, seconds=2.0).query(_QUERY.format(nonce=nonce))
    except (NotReachableError, RefusedError) as error:
        return str(error)
    return "" if found else "no series has it"


def _in_traces(url: str, trace_id: str) -> str:
    """Return why the trace is not seen, in Zipkin or Jaeger; '' when it is."""
    trouble = ""
    for path in (f"/api/v2/trace/{trace_id}", f"/api/traces/{trace_id}"):
        try:
            with urllib.request.urlopen(url.rstrip("/") + path, timeout=2.0) as answer:  # noqa: S310 - the user's own
                if trace_id in json.dumps(json.load(answer)):
                    return ""
                trouble = "no trace has its id"
        except urllib.error.HTTPError as error:
            trouble = trouble or f"HTTP {error.code}"
        except (OSError, HTTPException, ValueError) as error:
            trouble = str(getattr(error, "reason", error))
    return trouble


def _lost(places: Places, before: Pages, trouble: str) -> Finding:
    """Return at which hop the metric stopped, as far as the programs on the way tell."""
    if "does not answer" in trouble:
        seen, fix = trouble.split(". ", 1)[0], "Start Prometheus, or correct --prometheus."
    else:
        missing = f"not in Prometheus at {places.prometheus} within {SECONDS:g} s"
        seen, fix = broken(before, places.pages(), missing, places.collector)
    return failure("arrival.metrics", "metrics", seen, fix)
