# SPDX-License-Identifier: Apache-2.0
"""What of a caller's context is taken over, and that no header does harm."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_setup import _edge

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
EMPTY = Context()


def arrive(
    traceparent: str | None = None,
    tracestate: str | None = None,
    baggage: str | None = None,
    *,
    untrusted: bool = False,
    current: Context = EMPTY,
) -> tuple[SpanContext, dict[str, object], list[SpanContext], Context]:
    """Return the parent, the baggage, the links and the context of a request with the headers."""
    start, links = _edge.arrive(current, traceparent, tracestate, baggage, untrusted=untrusted)
    parent = trace.get_current_span(start).get_span_context()
    return parent, dict(_baggage(start)), [link.context for link in links], start


def _baggage(start: Context) -> dict[str, object]:
    return dict(baggage.get_all(start))


def upstream(**headers: str) -> tuple[SpanContext, dict[str, object]]:
    """Return what upstream's propagators take from *headers*."""
    both = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
    found = both.extract(headers, Context())
    return trace.get_current_span(found).get_span_context(), _baggage(found)


def test_inside_the_callers_trace_goes_on() -> None:
    """Ids, the decision to keep it, vendors' data and baggage are the caller's."""
    parent, pairs, links, _ = arrive(PARENT, "shop=1,mes@crm=2", "tier=gold, region = eu;ttl=3")
    assert (f"{parent.trace_id:032x}", f"{parent.span_id:016x}") == (TRACE, SPAN)
    assert parent.is_remote
    assert parent.trace_flags.sampled
    assert parent.trace_state.to_header() == "shop=1,mes@crm=2"
    assert pairs["tier"] == "gold"
    assert links == []


def test_a_strangers_trace_becomes_a_link() -> None:
    """Nothing of it is adopted: no parent, no decision, no vendors' data, no baggage."""
    parent, pairs, links, start = arrive(PARENT, "shop=1", "tier=gold", untrusted=True)
    assert not parent.is_valid
    assert (pairs, dict(start)) == ({}, {})
    (link,) = links
    assert (f"{link.trace_id:032x}", f"{link.span_id:016x}") == (TRACE, SPAN)
    assert dict(link.trace_state) == {}


@pytest.mark.parametrize("untrusted", [True, False])
def test_without_headers_nothing_is_made(*, untrusted: bool) -> None:
    """The context stays the very object that it was."""
    _, _, links, start = arrive(untrusted=untrusted)
    assert (start is EMPTY, links) == (True, [])


@pytest.mark.parametrize("untrusted", [True, False])
def test_a_span_of_this_process_stays_the_parent(*, untrusted: bool) -> None:
    """A request that a program makes to itself, without a network, is no stranger's."""
    own = SpanContext(1, 2, is_remote=False)
    current = trace.set_span_in_context(NonRecordingSpan(own), Context())
    parent, _, _, _ = arrive(untrusted=untrusted, current=current)
    assert parent == own


def test_a_caller_that_was_adopted_before_us_is_let_go() -> None:
    """Another middleware may have believed the header."""
    before = SpanContext(1, 2, is_remote=True)
    current = trace.set_span_in_context(NonRecordingSpan(before), Context())
    for header in (None, PARENT):
        parent, _, _, _ = arrive(header, untrusted=True, current=current)
        assert not parent.is_valid


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}é-{SPAN}-01",
        f"{PARENT},{PARENT}",
        f"{PARENT}\n",
        "x" * 10_000,
        f"01-{TRACE}-{SPAN}-01-{'x' * 10_000}",
    ],
)
@pytest.mark.parametrize("untrusted", [True, False])
def test_what_is_no_traceparent_is_none(header: str, *, untrusted: bool) -> None:
    """The request begins a trace of its own, with neither parent nor link."""
    parent, _, links, _ = arrive(header, untrusted=untrusted)
    assert (parent.is_valid, links) == (False, [])


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """As the specification has it."""
    parent, _, _, _ = arrive(f"01-{TRACE}-{SPAN}-00-new")
    assert f"{parent.trace_id:032x}" == TRACE
    assert not parent.trace_flags.sampled


@pytest.mark.parametrize(
    "state", ["UPPER=1", "a=1,a=2", "a", "a=,", "a=\x00", ",".join(f"k{n}=1" for n in range(33))]
)
def test_vendors_data_that_is_wrong_is_dropped_whole(state: str) -> None:
    """The trace goes on without it."""
    parent, _, _, _ = arrive(PARENT, state)
    assert f"{parent.trace_id:032x}" == TRACE
    assert dict(parent.trace_state) == {}


TEXTS = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda data: data.decode("latin-1")),
    st.text("0123456789abcdef-,;= \tABé%", max_size=80),
    st.sampled_from(["x" * 10_000, "a=" + "x" * 8200, "a=1," * 200, "a=1," * 3000]),
    st.lists(st.sampled_from([PARENT, "a=1", "b=2;p=3", "", "=", "%zz=%zz", "é=é"])).map(",".join),
)
HEX = "0123456789abcdef"
PARENTS = st.one_of(
    TEXTS,
    st.builds(
        "{}-{}-{}-{}{}".format,
        st.text(HEX, min_size=2, max_size=2),
        st.text(HEX + "G", min_size=31, max_size=33),
        st.text(HEX, min_size=16, max_size=16),
        st.text(HEX, min_size=2, max_size=2),
        st.sampled_from(["", "-", "-x", " ", ","]),
    ),
)


@pytest.fixture
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which anything was logged: strangers must not fill the log."""
    caplog.set_level(logging.DEBUG)
    yield
    assert caplog.records == []


@pytest.mark.usefixtures("silent")
def test_no_header_raises_or_is_logged() -> None:
    """Whatever bytes come, and with neither edge."""

    @given(PARENTS, st.none() | TEXTS, st.none() | TEXTS, st.booleans())
    def try_out(parent: str, state: str | None, pairs: str | None, untrusted: bool) -> None:
        span, found, links, start = arrive(parent, state, pairs, untrusted=untrusted)
        if untrusted:
            assert (span.is_valid, found, dict(start)) == (False, {}, {})
            assert all(link.is_valid and not dict(link.trace_state) for link in links)

    try_out()


@given(PARENTS)
def test_inside_a_parent_is_what_upstream_says_it_is(header: str) -> None:
    """Except for what upstream takes although the specification forbids it."""
    parent, _, _, _ = arrive(header)
    expected, _ = upstream(traceparent=header)
    if parent.is_valid:
        assert (parent.trace_id, parent.span_id, parent.trace_flags) == (
            expected.trace_id,
            expected.span_id,
            expected.trace_flags,
        )
    else:
        assert not expected.is_valid or "\n" in header or "," in header


@given(st.lists(st.from_regex(r"[a-z]{1,5} ?= ?[a-z0-9%]{0,6}(;[a-z]=[0-9])?", fullmatch=True)))
def test_well_formed_baggage_is_what_upstream_says_it_is(pairs: list[str]) -> None:
    """Our part only keeps what is malformed away from it."""
    header = ",".join(pairs)
    _, found, _, _ = arrive(None, None, header)
    assert found == upstream(baggage=header)[1]


class Vendor(TextMapPropagator):
    """A propagator with one header of its own, and a temper."""

    def extract(self, carrier, context=None, getter=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        """Take the ids from the header ``x-vendor``."""
        values = getter.get(carrier, "x-vendor") if getter else carrier.get("x-vendor")
        if not values:
            return context
        trace_id, span_id = values[0].split(":") if isinstance(values, list) else values.split(":")
        caller = SpanContext(int(trace_id), int(span_id), is_remote=True)
        return trace.set_span_in_context(NonRecordingSpan(caller), context)

    def inject(self, carrier, context=None, setter=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
        """Write nothing."""

    @property
    def fields(self) -> set[str]:
        """Name the header."""
        return {"x-vendor"}


@pytest.fixture
def vendor() -> Iterator[None]:
    """Make it the propagator of the process."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Vendor())
    yield
    propagate.set_global_textmap(before)


def test_the_default_propagators_are_known() -> None:
    """They take the short way."""
    assert _edge.is_w3c()


@pytest.mark.usefixtures("vendor")
def test_other_propagators_are_asked() -> None:
    """Their headers are theirs to read, and the edge is the same."""
    assert not _edge.is_w3c()
    start, links = _edge.arrive_otherwise(EMPTY, {"x-vendor": ["7:8"]}, untrusted=False)
    assert trace.get_current_span(start).get_span_context().trace_id == 7
    assert links == ()
    start, (link,) = _edge.arrive_otherwise(EMPTY, {"x-vendor": ["7:8"]}, untrusted=True)
    assert dict(start) == {}
    assert (link.context.trace_id, link.context.span_id) == (7, 8)


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize("untrusted", [True, False])
def test_a_propagator_that_raises_costs_the_parent_only(*, untrusted: bool) -> None:
    """The request goes on."""
    headers: dict[str, str | list[str]] = {"x-vendor": ["no:number"]}
    assert _edge.arrive_otherwise(EMPTY, headers, untrusted=untrusted) == (EMPTY, ())
