# SPDX-License-Identifier: Apache-2.0
"""
Carry the current trace across a gap that no instrumentation can see.

A row of an outbox table, a job list or a hand-over to another thread breaks the
trace, because nothing tells the other side where it came from. `capture_context`,
`resume_context` and `carry_context` mend it; `untraced` keeps noise out. Headers are
those of W3C Trace Context.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import ParamSpec, TypeVar

from opentelemetry import context, propagate
from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_setup._guard import quiet

P = ParamSpec("P")
R = TypeVar("R")


def capture_context() -> dict[str, str]:
    """Return the current trace as headers to store beside the work; empty outside of a trace."""
    headers: dict[str, str] = {}
    with quiet("capturing the trace context"):
        propagate.inject(headers)
    return headers


@contextlib.contextmanager
def resume_context(headers: Mapping[str, str] | None) -> Iterator[None]:
    """Make the trace that `capture_context` stored the current one inside the block."""
    token = None
    with quiet("resuming the trace context"):
        # A stored value is data from outside: anything that is not text is left out.
        clean = {key: value for key, value in (headers or {}).items() if isinstance(value, str)}
        token = context.attach(propagate.extract(clean))
    try:
        yield
    finally:
        if token is not None:
            context.detach(token)


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """
    Leave what the block does out of traces and metrics.

    A worker that looks for work every few seconds and finds none would bury the traces of
    real work under its own.
    """
    with suppress_instrumentation():
        yield


def carry_context(function: Callable[P, R]) -> Callable[P, R]:
    """Return *function* bound to the current trace, to be called later or in another thread."""
    captured = context.get_current()

    @functools.wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        token = context.attach(captured)
        try:
            return function(*args, **kwargs)
        finally:
            context.detach(token)

    return carried
