# SPDX-License-Identifier: Apache-2.0
"""Facts that must hold with our instrumentation and are known not to hold with upstream's."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from otel_setup.testing import Span, Telemetry

#: Library → our instrumentor and upstream's.
INSTRUMENTORS = {
    "pika": (
        "otel_setup.instrumentation.messaging.pika:PikaInstrumentor",
        "opentelemetry.instrumentation.pika:PikaInstrumentor",
    ),
    "aio_pika": (
        "otel_setup.instrumentation.messaging.aio_pika:AioPikaInstrumentor",
        "opentelemetry.instrumentation.aio_pika:AioPikaInstrumentor",
    ),
    "s3": (
        "otel_setup.instrumentation.s3.instrumentor:S3Instrumentor",
        "opentelemetry.instrumentation.botocore:BotocoreInstrumentor",
    ),
}


def gap(
    library: str, upstream: str, raises: type[BaseException] = AssertionError
) -> pytest.MarkDecorator:
    """
    Run a test with our instrumentation of *library*, and with upstream's, where it must fail.

    *upstream* says what that does instead, *raises* in which way the test notices: a test
    that fails there for another reason proves nothing. When upstream has caught up, it
    passes, and thereby fails.
    """
    ours, theirs = INSTRUMENTORS[library]
    fails = pytest.mark.xfail(strict=True, reason=f"upstream: {upstream}", raises=raises)
    return pytest.mark.parametrize(
        "instrumentation",
        [pytest.param(ours, id="ours"), pytest.param(theirs, id="upstream", marks=fails)],
        indirect=True,
    )


def ours(library: str) -> pytest.MarkDecorator:
    """Run a test with our instrumentation of *library*."""
    return pytest.mark.parametrize(
        "instrumentation", [pytest.param(INSTRUMENTORS[library][0], id="ours")], indirect=True
    )


@contextlib.contextmanager
def instrumented(path: str) -> Iterator[Any]:
    """Patch the library inside the block with the instrumentor at *path*; yield it."""
    module, name = path.split(":")
    instrumentor = getattr(importlib.import_module(module), name)()
    instrumentor.instrument(skip_dep_check=True)
    try:
        yield instrumentor
    finally:
        instrumentor.uninstrument()


def of_kind(otel: Telemetry, kind: str) -> list[Span]:
    """Return the spans of *kind*."""
    return [span for span in otel.spans if span.kind == kind]


def by_id(otel: Telemetry, span_id: str) -> Span:
    """
    Return the span *span_id*.

    Raises:
        AssertionError: there is none.
    """
    found = [span for span in otel.spans if span.span_id == span_id]
    assert found, f"no span {span_id!r}; there are {[span.name for span in otel.spans]}"
    return found[0]


def follows(span: Span, traceparent: str) -> bool:
    """Tell whether *span* has the span of the header *traceparent* as parent or as a link."""
    _version, trace_id, span_id, _flags = traceparent.split("-")
    return (span.trace_id, span.parent_id) == (trace_id, span_id) or (
        (trace_id, span_id) in span.links
    )


def counted(otel: Telemetry, name: str, *labels: str) -> dict[Any, float]:
    """Return the values of the metric *name* by *labels*, without those that are still 0."""
    return {key: value for key, value in otel.metric(name).by(*labels).items() if value}
