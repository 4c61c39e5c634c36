# SPDX-License-Identifier: Apache-2.0
"""
Pipelines of psycopg, in which an answer comes later than the call that asked.

There it is the answer that ends a statement. It may come while another one is asked, and so
may its error: whose it is stands in the queue of the pipeline.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from otel_setup.instrumentation.database.asking import Asking

Method = Callable[..., Any]

#: Pipeline → who waits for answers in it, first come first served.
_waiting: weakref.WeakKeyDictionary[Any, deque[tuple[Any, Asking]]] = weakref.WeakKeyDictionary()


def of(cursor: Any) -> Any:
    """Return the pipeline that the connection of *cursor* is in; None for none."""
    return getattr(cursor.connection, "_pipeline", None)


def wait(pipeline: Any, cursor: Any, asked: Asking) -> None:
    """Have the next answer to *cursor* end *asked*."""
    _waiting.setdefault(pipeline, deque()).append((cursor, asked))


def refused(pipeline: Any, cursor: Any, asked: Asking, error: BaseException) -> None:
    """End what could not be asked; what is in the queue waits for its own answer."""
    waiting = _waiting.get(pipeline, deque())
    queued = sum(1 for each in list(pipeline.result_queue) if each and each[0] is cursor)
    if queued >= sum(1 for each, _ in waiting if each is cursor):
        return
    _waiting[pipeline] = deque(each for each in waiting if each[1] is not asked)
    asked.fail(error)


def forget() -> None:
    """Forget who waits."""
    _waiting.clear()


def process_results(original: Method) -> Method:
    """Return ``BasePipeline._process_results`` that ends whose answer it is."""

    @functools.wraps(original)
    def process(self: Any, queued: Any, results: Any) -> Any:
        asked = _next(self, queued)
        if asked is None:
            return original(self, queued, results)
        try:
            result = original(self, queued, results)
        except BaseException as error:
            asked.fail(error)
            raise
        asked.end(queued[0].rowcount)
        return result

    return process


def _next(pipeline: Any, queued: Any) -> Asking | None:
    """Return who has waited longest for an answer to the cursor of *queued*."""
    waiting = _waiting.get(pipeline)
    if not waiting or not queued:
        return None
    for index, (cursor, asked) in enumerate(waiting):
        if cursor is queued[0]:
            del waiting[index]
            return asked
    return None


def leave(original: Method) -> Method:
    """Return ``BasePipeline._exit`` that ends whatever got no answer."""

    @functools.wraps(original)
    def exit_(self: Any, error: BaseException | None) -> Any:
        try:
            return original(self, error)
        finally:
            if self.level == 0:
                cause = error or sys.exc_info()[1] or ConnectionError("the pipeline ended")
                for _, asked in _waiting.pop(self, ()):
                    asked.fail(cause)

    return exit_
