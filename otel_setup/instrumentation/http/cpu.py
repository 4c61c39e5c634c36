# SPDX-License-Identifier: Apache-2.0
"""
CPU time of one request among many on the same thread.

`timed` drives a coroutine and reads the thread's clock around each of its steps, `in_thread`
does so for what the request has done in the thread pool. Not counted are tasks that the
program starts and does not run through a route, threads that it starts by itself, and
child processes. Under gevent a thread's clock counts all its greenlets together.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from time import thread_time_ns
from typing import Any

from otel_setup.instrumentation.http.exchange import Exchange, current


@types.coroutine
def timed(steps: Coroutine[Any, Any, Any], exchange: Exchange) -> Generator[Any, Any, Any]:
    """Run *steps*, and add what each costs to *exchange*."""
    step, value = steps.send, None
    while True:
        exchange.running = True
        begun = thread_time_ns()
        try:
            waits_for = step(value)
        except StopIteration as done:
            return done.value
        finally:
            exchange.cpu += thread_time_ns() - begun
            exchange.running = False
        try:
            value = yield waits_for
            step = steps.send
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as error:  # noqa: BLE001 - a cancellation, for the coroutine to take
            step, value = steps.throw, error


async def elsewhere(steps: Coroutine[Any, Any, Any], exchange: Exchange) -> Any:
    """Do as `timed` does, for code that only takes coroutines."""
    return await timed(steps, exchange)


class _Timed:
    """A function that notes what it cost the thread that ran it."""

    __slots__ = ("_function", "spent")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.spent = 0

    def __call__(self, *args: Any) -> Any:
        begun = thread_time_ns()
        try:
            return self._function(*args)
        finally:
            self.spent = thread_time_ns() - begun


def in_thread(run_sync: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return *run_sync* of anyio, which also adds what a request does in its threads."""

    @functools.wraps(run_sync)
    async def run_and_time(func: Callable[..., Any], *args: Any, **options: Any) -> Any:
        exchange = current.get()
        if exchange is None:
            return await run_sync(func, *args, **options)
        timed_function = _Timed(func)
        try:
            return await run_sync(timed_function, *args, **options)
        finally:
            # Added here, by the thread of the event loop: two threads would lose time.
            exchange.cpu += timed_function.spent

    return run_and_time
