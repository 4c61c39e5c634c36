# SPDX-License-Identifier: Apache-2.0
"""
Pools of connections: how many are used, who waits, for how long, and who gave up.

A request that waits for a connection before it may query looks like a slow service: no query
of it is slow. Waits are counted where they begin and end, since libraries count the places in
their queue, which those who gave up may still hold.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from otel_setup._guard import quiet
from otel_setup.catalogue.entries import database as catalogue
from otel_setup.instrumentation import queries
from otel_setup.instrumentation.observing import Observing
from otel_setup.instruments import Observations, instrument

_WAIT_TIME = instrument(catalogue.WAIT_TIME)
_USE_TIME = instrument(catalogue.USE_TIME)
_TIMEOUTS = instrument(catalogue.TIMEOUTS)

_POOL = "db.client.connection.pool.name"
_STATE = "db.client.connection.state"


@dataclass(frozen=True, slots=True)
class Counts:
    """What a pool says of itself; None for what it has no number for."""

    used: int | None = None
    idle: int | None = None
    most: int | None = None


class Watched:
    """What is known of one pool: its name, and who waits for its connections."""

    def __init__(self, name: str, read: Callable[[Any], Counts]) -> None:
        self.name = name
        self.labels = {_POOL: name}
        self.read = read
        #: Since when who waits; adding to a dict and taking from it is atomic.
        self._waits: dict[object, float] = {}
        _TIMEOUTS.add(0, self.labels)

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return len(self._waits)

    def wait(self) -> object:
        """Begin to wait for a connection; end it with `got` or `gave_up`."""
        waiting = object()
        self._waits[waiting] = perf_counter()
        return waiting

    def got(self, waiting: object, *, timed_out: bool = False) -> None:
        """End a wait, with a connection, or because there was none in time."""
        since = self._waits.pop(waiting, None)
        if since is None:
            return
        try:
            lasted = perf_counter() - since
            _WAIT_TIME.record(lasted, self.labels)
            if timed_out:
                _TIMEOUTS.add(1, self.labels)
            queries.waited(lasted)
        except Exception:
            with quiet("recording a wait for a connection"):
                raise

    def used(self, seconds: float) -> None:
        """Note that a connection came back after *seconds*."""
        _USE_TIME.record(seconds, self.labels)

    def forget_waits(self) -> None:
        """Begin anew."""
        self._waits.clear()


#: Pools that are alive; a pool that its program forgets disappears from here as well.
_pools: weakref.WeakKeyDictionary[Any, Watched] = weakref.WeakKeyDictionary()
_adding = threading.Lock()


def watched(pool: Any, describe: Callable[[Any], tuple[str, Callable[[Any], Counts]]]) -> Watched:
    """Return what is known of *pool*; *describe* gives its name and what reads its counts."""
    found = _pools.get(pool)
    if found is None:
        with _adding:
            found = _pools.get(pool)
            if found is None:
                found = _pools[pool] = Watched(*describe(pool))
    return found


def known(pool: Any) -> Watched | None:
    """Return what is known of *pool*, if there is anything."""
    return _pools.get(pool)


def forget(kind: type) -> None:
    """Forget the pools of a *kind* that is watched no longer."""
    for pool, _ in _alive():
        if isinstance(pool, kind):
            _pools.pop(pool, None)


def _alive() -> list[tuple[Any, Watched]]:
    with _adding:
        return list(_pools.items())


def _counts() -> Observations:
    # Pools of one name are one to whoever looks: the SDK would keep the last one's number.
    found: Counter[tuple[str, str]] = Counter()
    for pool, about in _alive():
        now = about.read(pool)
        for state, count in (("idle", now.idle), ("used", now.used)):
            if count is not None:
                found[about.name, state] += count
    return [(count, {_POOL: name, _STATE: state}) for (name, state), count in found.items()]


def _most() -> Observations:
    found: Counter[str] = Counter()
    for pool, about in _alive():
        most = about.read(pool).most
        if most is not None:
            found[about.name] += most
    return [(count, {_POOL: name}) for name, count in found.items()]


def _waiting() -> Observations:
    found: Counter[str] = Counter()
    for _, about in _alive():
        found[about.name] += about.waiting
    return [(count, {_POOL: name}) for name, count in found.items()]


_OBSERVING = Observing(
    (
        (catalogue.CONNECTIONS, _counts),
        (catalogue.CONNECTIONS_MAX, _most),
        (catalogue.PENDING_REQUESTS, _waiting),
    )
)


def publish() -> None:
    """Have the counts read at every export of the present provider."""
    _OBSERVING.publish()


def renew() -> None:
    """Begin anew with a recording of a test, which forgets what an earlier one observed."""
    _OBSERVING.renew()


def _begin_anew() -> None:
    global _adding  # noqa: PLW0603 - a thread of the parent may have held it
    _adding = threading.Lock()
    for _, about in _alive():
        about.forget_waits()  # those who wait are threads of the parent


os.register_at_fork(after_in_child=_begin_anew)
