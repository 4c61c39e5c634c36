# SPDX-License-Identifier: Apache-2.0
"""
What of a caller's trace context is taken over, by ``OTEL_SETUP_EDGE``.

``internal``: the caller's trace and baggage go on. ``untrusted``: callers are strangers. Who
adopts their trace lets them choose which traces are kept, and write into those of others; so
their context becomes a link, and the rest of it is dropped.

Headers are data from outside. Whatever they hold, nothing is raised and nothing is logged: a
stranger must not fill the log. Upstream's propagators log each bad header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

#: The context that a request starts in, and the links of its span.
Arrival = tuple[Context, tuple[Link, ...]]

#: The headers of the default propagators.
HEADERS = ("traceparent", "tracestate", "baggage")

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_LONGEST_TRACEPARENT = 512

_KEY = r"[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_STATE = re.compile(rf"(?:{_KEY})=[ -+\--<>-~]{{0,255}}[!-+\--<>-~]")
_MOST_STATES = 32
_LONGEST_STATE = 8192

_BAGGAGE = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+[ \t]*=[ \t]*[!#-+\--:<-\[\]-~]*[ \t]*(?:;[ -~]*)?")
_MOST_PAIRS = 180
_LONGEST_BAGGAGE = 8192

_baggage = W3CBaggagePropagator()
_judged: tuple[object, bool] = (None, False)


def is_w3c() -> bool:
    """Tell whether the propagators are the default ones, which `arrive` reads by itself."""
    global _judged  # noqa: PLW0603 - the global propagator hardly ever changes
    textmap = propagate.get_global_textmap()
    if textmap is not _judged[0]:
        # No public way says what a composite is made of; anything unknown takes the long way.
        parts = getattr(textmap, "_propagators", ()) if type(textmap) is CompositePropagator else ()
        kinds = [type(part) for part in parts]
        _judged = (textmap, kinds == [TraceContextTextMapPropagator, W3CBaggagePropagator])
    return _judged[1]


def arrive(
    current: Context,
    traceparent: str | None,
    tracestate: str | None,
    baggage: str | None,
    *,
    untrusted: bool,
) -> Arrival:
    """
    Return where a request with these headers starts, when propagation is W3C's.

    *current* is the context that the server runs the request in. A header that came more
    than once is given with its values joined by commas.
    """
    if untrusted:
        if traceparent is None:
            return _without_caller(current), ()
        # Their tracestate is for our back end to read: not taken either.
        caller = _caller(traceparent, None)
        return _without_caller(current), () if caller is None else (Link(caller),)
    if traceparent is not None:
        caller = _caller(traceparent, tracestate)
        if caller is not None:
            current = trace.set_span_in_context(NonRecordingSpan(caller), current)
    if baggage is not None:
        current = _with_baggage(current, baggage)
    return current, ()


def arrive_otherwise(
    current: Context, headers: Mapping[str, str | list[str]], *, untrusted: bool
) -> Arrival:
    """
    Return where a request with *headers* starts, by the propagators of ``OTEL_PROPAGATORS``.

    *headers* has all of them, with names in lower case.
    """
    try:
        found = propagate.extract(headers, Context() if untrusted else current)
    except Exception:  # noqa: BLE001 - a propagator that chokes on a header costs the parent only
        return _without_caller(current) if untrusted else current, ()
    if not untrusted:
        return found, ()
    caller = trace.get_current_span(found).get_span_context()
    if not caller.is_valid:
        return _without_caller(current), ()
    stranger = SpanContext(caller.trace_id, caller.span_id, True, caller.trace_flags)
    return _without_caller(current), (Link(stranger),)


def _without_caller(current: Context) -> Context:
    """Return *current*, unless something before us adopted a caller's span in it."""
    if current and trace.get_current_span(current).get_span_context().is_remote:
        return trace.set_span_in_context(trace.INVALID_SPAN, current)
    return current


def _caller(traceparent: str, tracestate: str | None) -> SpanContext | None:
    """Return the span that *traceparent* names; None when it names none."""
    if len(traceparent) > _LONGEST_TRACEPARENT:
        return None
    match = _TRACEPARENT.fullmatch(traceparent) or _TRACEPARENT.fullmatch(traceparent.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if (
        version == "ff"
        or (more is not None and version == "00")
        or trace_id == _NO_TRACE
        or span_id == _NO_SPAN
    ):
        return None
    state = None if tracestate is None else _state(tracestate)
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16)), state)


def _state(text: str) -> TraceState | None:
    """Return the vendors' data; None when a part of it is wrong, as the specification has it."""
    if len(text) > _LONGEST_STATE:
        return None
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    if len(members) > _MOST_STATES or not all(map(_STATE.fullmatch, members)):
        return None
    pairs = [(key, value) for key, _, value in (member.partition("=") for member in members)]
    return TraceState(pairs) if len(dict(pairs)) == len(pairs) else None


def _with_baggage(current: Context, text: str) -> Context:
    """Return *current* with the pairs of *text* that are well formed."""
    if len(text) > _LONGEST_BAGGAGE:
        return current
    pairs = [part for part in text.split(",") if _BAGGAGE.fullmatch(part.strip(" \t"))]
    if not pairs:
        return current
    try:
        return _baggage.extract({"baggage": ",".join(pairs[:_MOST_PAIRS])}, current)
    except Exception:  # noqa: BLE001 - baggage is never worth a request
        return current
