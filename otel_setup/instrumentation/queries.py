# SPDX-License-Identifier: Apache-2.0
"""
What one HTTP request asks of databases, added up where it is asked.

A page that asks once for each of its rows has no slow query: only who counts them for the
request sees it. The HTTP layer says which request is worked on, the database layers add to it.
Threads that the request hands work to have its context, and so the same sums.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from typing import Protocol

#: Kinds of statement that are counted apart; the sums have all of them.
_MOST = 50


class Queries:
    """The sums of one request: seconds of queries and of waiting, and how often which query."""

    __slots__ = ("_adding", "_repeats", "asking", "count", "waiting")

    def __init__(self) -> None:
        self.count = 0
        self.asking = 0.0
        self.waiting = 0.0
        self._repeats: dict[str, int] = {}
        self._adding = threading.Lock()

    def add(self, summary: str, seconds: float) -> None:
        """Add a query that took *seconds*."""
        with self._adding:
            self.count += 1
            self.asking += seconds
            if summary in self._repeats or len(self._repeats) < _MOST:
                self._repeats[summary] = self._repeats.get(summary, 0) + 1

    def wait(self, seconds: float) -> None:
        """Add *seconds* until a pool gave a connection, or gave none."""
        with self._adding:
            self.waiting += seconds

    def most_repeated(self) -> tuple[str, int]:
        """Return the kind of query that was asked most often, and how often; ('', 0) for none."""
        with self._adding:
            return max(self._repeats.items(), key=lambda each: each[1], default=("", 0))


class Request(Protocol):
    """A request that is worked on; it has sums from its first query on."""

    ended: bool
    queries: Queries | None


#: The request whose code runs.
current: ContextVar[Request | None] = ContextVar("otel_setup_request", default=None)


def asked(summary: str, seconds: float) -> None:
    """Add a query that took *seconds* to the request whose code runs, if there is one."""
    request = current.get()
    if request is not None and not request.ended:
        _of(request).add(summary, seconds)


def waited(seconds: float) -> None:
    """Add *seconds* of waiting for a connection to the request whose code runs."""
    request = current.get()
    if request is not None and not request.ended:
        _of(request).wait(seconds)


def _of(request: Request) -> Queries:
    if request.queries is None:
        with _making:
            request.queries = request.queries or Queries()
    return request.queries


def _begin_anew() -> None:
    global _making  # noqa: PLW0603 - a thread of the parent may have held it
    _making = threading.Lock()


_making = threading.Lock()
os.register_at_fork(after_in_child=_begin_anew)
