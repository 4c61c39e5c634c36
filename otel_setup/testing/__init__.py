# SPDX-License-Identifier: Apache-2.0
"""
Telemetry of a test, in memory: spans, metrics and log records as plain values.

Under pytest take the fixture ``otel``; elsewhere, `recorded`. Ids count from 1 and
the clock goes on by a second per reading, so that a test can compare whole spans. What the
catalogue does not allow, such as a misspelt label, fails the test.

Start tests without `otel_setup.setup` (``OTEL_SDK_DISABLED=true``): what is bound to a
program's own providers before the first recording stays with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from opentelemetry import context

from otel_setup import instruments, users
from otel_setup.instrumentation.database import pools
from otel_setup.instrumentation.http import measures
from otel_setup.instrumentation.logs import EXPORT, STAMPS
from otel_setup.instrumentation.messaging import state as messaging
from otel_setup.instrumentation.s3 import state as s3
from otel_setup.testing._checks import problems
from otel_setup.testing._clock import Clock
from otel_setup.testing._recording import Recording
from otel_setup.testing._records import Event, Labels, Log, Metric, Point, Span
from otel_setup.testing._switch import switched_to

__all__ = [
    "Clock",
    "Event",
    "Labels",
    "Log",
    "Metric",
    "Point",
    "Span",
    "Telemetry",
    "recorded",
]


class Telemetry:
    """What was recorded so far; made by `recorded` or the fixture ``otel``."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        #: Set it to False in a test that breaks the catalogue on purpose.
        self.checked = True

    @property
    def clock(self) -> Clock:
        """The clock of spans and log records."""
        return self._recording.clock

    @property
    def spans(self) -> list[Span]:
        """The spans that ended, in the order of their ends."""
        return self._recording.spans()

    @property
    def logs(self) -> list[Log]:
        """
        The log records of ``logging`` and of OpenTelemetry's API, in their order.

        As in production the levels of the loggers decide what there is: INFO comes after
        ``caplog.set_level("INFO")`` or the like.
        """
        return self._recording.logs()

    @property
    def metrics(self) -> dict[str, Metric]:
        """All metrics by name; what is observed is read now."""
        return self._recording.metrics()

    def span(self, name: str) -> Span:
        """
        Return the only span called *name*.

        Raises:
            AssertionError: there is none or several; the message names all spans.
        """
        spans = self.spans
        found = [span for span in spans if span.name == name]
        if len(found) != 1:
            there = ", ".join(repr(span.name) for span in spans) or "none"
            raise AssertionError(
                f"expected one span {name!r}, found {len(found)}. Spans that ended: {there}"
            )
        return found[0]

    def log(self, text: str) -> Log:
        """
        Return the only log record whose message contains *text*.

        Raises:
            AssertionError: there is none or several; the message shows all records.
        """
        logs = self.logs
        found = [log for log in logs if text in log.message]
        if len(found) != 1:
            there = "".join(f"\n  {log.level} {log.logger}: {log.message}" for log in logs)
            raise AssertionError(
                f"expected one log record with {text!r}, found {len(found)}. "
                f"There are:{there or ' none'}"
            )
        return found[0]

    def metric(self, name: str) -> Metric:
        """
        Return the metric *name*.

        Raises:
            AssertionError: it was not recorded; the message names what was.
        """
        found = self.metrics
        if name not in found:
            there = ", ".join(repr(each) for each in found) or "none"
            raise AssertionError(f"metric {name!r} was not recorded. Metrics: {there}")
        return found[name]

    def flush(self) -> None:
        """Have everything that is under way arrive here."""
        self._recording.flush()

    def problems(self) -> list[str]:
        """Return what was recorded against the catalogue's entries; nothing if not `checked`."""
        entries = instruments.ENTRIES if self.checked else {}
        return [
            problem
            for metric in self.metrics.values()
            if metric.name in entries
            for problem in problems(metric, entries[metric.name])
        ]

    def check(self) -> None:
        """
        Fail if there are `problems`; done at the end of each test.

        Raises:
            AssertionError: a label or value that an entry does not allow; the message has all.
        """
        found = self.problems()
        if found:
            raise AssertionError("\n".join(found))


@contextlib.contextmanager
def recorded() -> Iterator[Telemetry]:
    """
    Record all telemetry of the process inside the block; the fixture ``otel`` does it per test.

    Instruments, tracers and loggers that were made earlier are recorded too. What is
    observed (`otel_setup.observe`) inside of the block ends with it.

    Raises:
        AssertionError: at the end of the block, when `Telemetry.check` finds something.
    """
    with _recording() as telemetry:
        yield telemetry
        telemetry.check()


@contextlib.contextmanager
def _recording() -> Iterator[Telemetry]:
    recording = Recording()
    # A trace that another test left open would become the parent of this one's spans.
    token = context.attach(context.Context())
    STAMPS.on()
    EXPORT.on()
    try:
        with recording.fake_time(), switched_to(recording):
            measures.renew()
            messaging.renew()
            s3.renew()
            pools.renew()
            users.renew()
            yield Telemetry(recording)
    finally:
        EXPORT.off()
        STAMPS.off()
        context.detach(token)
        recording.end()
