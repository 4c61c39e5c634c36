# SPDX-License-Identifier: Apache-2.0
"""
What is counted between two exports: requests in work, and CPU time by route.

A counter of the SDK costs 7 µs each time. These are kept in a plain set and dict, and read
when metrics are exported. A forked child begins anew: what its parent counted, its parent
reports.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from otel_setup.catalogue.entries import http
from otel_setup.instrumentation.observing import Observing

if TYPE_CHECKING:
    from otel_setup.instrumentation.http.exchange import Exchange
    from otel_setup.instruments import Observations

#: Adding to a set and taking from it is atomic, adding to a number is not.
_live: set[Exchange] = set()
_seen: dict[tuple[str, str], dict[str, str]] = {}
_cpu: dict[tuple[str | None, str], int] = {}
_adding = threading.Lock()


def enter(exchange: Exchange) -> None:
    """Count *exchange* as one that is worked on."""
    key = (exchange.method, exchange.scheme)
    if key not in _seen:
        _seen[key] = {"http.request.method": key[0], "url.scheme": key[1]}
    _live.add(exchange)


def leave(exchange: Exchange) -> None:
    """Count *exchange* no more."""
    _live.discard(exchange)


def spend(route: str | None, method: str, nanoseconds: int) -> None:
    """Add CPU time to a route; what has none is counted together, whatever its method."""
    key = (route, method if route else "")
    with _adding:
        _cpu[key] = _cpu.get(key, 0) + nanoseconds


def publish() -> None:
    """Have the counts read at every export of the present provider."""
    _OBSERVING.publish()


def renew() -> None:
    """Begin anew with a recording of a test, which forgets what an earlier one observed."""
    forget()
    _OBSERVING.renew()


def forget() -> None:
    """Begin anew."""
    global _adding  # noqa: PLW0603 - another thread of a parent may have held it
    _adding = threading.Lock()
    _live.clear()
    _seen.clear()
    _cpu.clear()


def _read_live() -> Observations:
    counts = dict.fromkeys(list(_seen), 0)
    for exchange in list(_live):
        key = (exchange.method, exchange.scheme)
        counts[key] = counts.get(key, 0) + 1
    return [(count, _seen[key]) for key, count in counts.items()]


def _read_cpu() -> Observations:
    with _adding:
        spent = list(_cpu.items())
    return [
        (
            nanoseconds / 1e9,
            {"http.route": route, "http.request.method": method} if route else {},
        )
        for (route, method), nanoseconds in spent
    ]


_OBSERVING = Observing(((http.ACTIVE_REQUESTS, _read_live), (http.CPU_TIME, _read_cpu)))
os.register_at_fork(after_in_child=forget)
