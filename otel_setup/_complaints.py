# SPDX-License-Identifier: Apache-2.0
"""
Say that telemetry does not arrive: shortly, rarely, and when it is over.

While a Collector is away the SDK and its exporters write several long lines per batch, for
as long as it lasts. Here an export that fails is counted; one line per minute and signal
says why and what was lost, and one line says when the signal arrives again.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

SIGNALS = ("traces", "metrics", "logs")
_ITEMS = {"traces": "span", "logs": "log record"}
#: What the SDK calls the things that its queues hold.
_SIGNAL_OF = {"Span": "traces", "Log": "logs"}

_logger = logging.getLogger("otel_setup")


class Attempt(threading.local):
    """The export that this thread is doing."""

    signal: str | None = None
    #: Why its last try failed; empty when it did not.
    trouble: str = ""
    #: What the exporter logged meanwhile.
    said: str = ""


attempt = Attempt()


@dataclass(slots=True)
class _State:
    """What happened to one signal since it last arrived."""

    since: float | None = None
    last_line: float = -math.inf
    announced: bool = False
    trouble: str = ""
    lost: int = 0
    #: Next value: how many were dropped so far. Counting takes no lock, which the signal
    #: handler of a thread that counts would wait for.
    drops: itertools.count[int] = field(default_factory=itertools.count)
    dropped: int = 0


class Complaints:
    """
    The lines about exports of one process.

    *seconds* pass between two lines about the same signal, by *clock*.
    """

    def __init__(self, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked child does: what its parent lost is not its loss."""
        self._lock = threading.Lock()
        self._states = {signal: _State() for signal in SIGNALS}
        self._ending = False

    def failed(self, signal: str, items: int, trouble: str) -> None:
        """Count an export of *items* that failed for good."""
        state = self._states[signal]
        with self._locked():
            state.since = self._clock() if state.since is None else state.since
            state.trouble = trouble
            state.lost += items
            self._complain(signal)

    def dropped(self, signal: str) -> None:
        """Count something that found the queue full; called by threads of the application."""
        state = self._states[signal]
        state.dropped = next(state.drops) + 1
        if self._is_due(state) and self._lock.acquire(blocking=False):
            try:
                self._complain(signal)
            finally:
                self._lock.release()

    def arrived(self, signal: str) -> None:
        """Note an export that went well."""
        state = self._states[signal]
        if state.since is None:
            return
        with self._locked():
            after = self._clock() - (state.since or 0)
            state.since = None
            if not state.announced or self._ending:
                return
            loss = self._loss(signal)
            self._states[signal] = _State(last_line=state.last_line)
            _say(f"{signal} are exported again, after {after:.0f} s{loss and f'; {loss}'}.")

    def end(self) -> None:
        """Say nothing more by itself: what the end of the process loses is one line."""
        self._ending = True

    def sum_up(self, unsent: dict[str, int], whither: str) -> None:
        """Say what the end of the process loses; *unsent* are signals that were still waiting."""
        lost = []
        troubles: dict[str, None] = {}
        for signal, state in self._states.items():
            if signal not in unsent and state.since is None:
                continue
            count = unsent.get(signal, 0) + state.lost + state.dropped
            lost.append(_count(count, signal) if signal in _ITEMS else "the last metrics")
            troubles.setdefault(state.trouble or f"no answer in time from {whither}")
        if lost:
            _say(f"the process ends and loses {', '.join(lost)}: {'; '.join(troubles)}.")

    def _is_due(self, state: _State) -> bool:
        return not self._ending and self._clock() - state.last_line >= self._seconds

    def _complain(self, signal: str) -> None:
        state = self._states[signal]
        if not self._is_due(state):
            return
        state.last_line = self._clock()
        state.announced = True
        loss = self._loss(signal) or "totals are kept"
        if state.since is None:
            _say(f"{signal} outrun their export: {loss}.")
        else:
            _say(f"{signal} are not exported: {state.trouble}; trying on, {loss}.")

    def _loss(self, signal: str) -> str:
        if signal not in _ITEMS:
            return ""
        state = self._states[signal]
        text = f"{_count(state.lost + state.dropped, signal)} lost so far"
        return f"{text}, {state.dropped} of them by a full queue" if state.dropped else text

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # A thread that a signal handler stopped may have it: counting must not wait for ever.
        taken = self._lock.acquire(timeout=0.2)
        try:
            yield
        finally:
            if taken:
                self._lock.release()


#: What the wrapper of the exporter has told already; and what the SDK says of a metric that two
#: scopes have, such as two HTTP clients: it does not look at the scopes, which keep them apart.
_KNOWN_BETTER = ("Exception while exporting", "Views %s and %s will cause conflicting")


class Throttle(logging.Filter):
    """Keeps the loggers of the SDK and of exporters from repeating themselves."""

    _KEPT = 500

    def __init__(self, complaints: Complaints, seconds: float = 60.0) -> None:
        super().__init__()
        self._complaints = complaints
        self._seconds = seconds
        self._last: dict[tuple[str, str], float] = {}
        self._held_back: dict[tuple[str, str], int] = {}
        self._loggers: list[logging.Logger] = []

    def install(self) -> None:
        """Take over the loggers that exist; those of instrumentations are left alone."""
        for name, logger in list(logging.root.manager.loggerDict.items()):
            if (
                isinstance(logger, logging.Logger)
                and name.startswith("opentelemetry.")
                and not name.startswith("opentelemetry.instrumentation.")
                and self not in logger.filters
            ):
                # Before the SDK's own filter, which hides repetitions from the count.
                logger.filters.insert(0, self)
                self._loggers.append(logger)

    def revive(self) -> None:
        """Undo what ``dictConfig`` does by default to loggers that it was not told about."""
        for logger in self._loggers:
            logger.disabled = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what is told otherwise or was said within the last minute."""
        if record.levelno < logging.WARNING:
            return True
        text = str(record.msg)
        if attempt.signal is not None:
            attempt.said = _of_grpc(record) or _one_line(record)
            return False
        if text.startswith("Queue full") and isinstance(record.args, tuple) and record.args:
            self._complaints.dropped(_SIGNAL_OF.get(str(record.args[0]), "logs"))
            return False
        return not text.startswith(_KNOWN_BETTER) and self._is_new(record, text)

    def _is_new(self, record: logging.LogRecord, text: str) -> bool:
        key = (record.name, text)
        now = time.monotonic()
        if now - self._last.get(key, -math.inf) < self._seconds:
            self._held_back[key] = self._held_back.get(key, 0) + 1
            return False
        if len(self._last) >= self._KEPT:
            self._last.clear()
        self._last[key] = now
        if count := self._held_back.pop(key, 0):
            record.msg = f"{_one_line(record)} ({count} more like this were held back)"
            record.args = ()
            record.exc_info = record.exc_text = None
        return True


def address(url: str) -> str:
    """Return *url* without what may be secret: user, password, path and query."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".removeprefix("://")


def _count(number: int, signal: str) -> str:
    return f"{number} {_ITEMS[signal]}" + ("" if number == 1 else "s")


#: What the details of a gRPC error contain, and what that means.
_GRPC = {
    "Connection refused": "connection refused",
    "WRONG_VERSION_NUMBER": "TLS: wrong version number",
    "CERTIFICATE_VERIFY_FAILED": "TLS: the certificate cannot be verified",
    "Expected SETTINGS frame": "no gRPC is spoken there",
    "Deadline Exceeded": "no answer in time",
    "DNS resolution failed": "the name is not known",
}


def _of_grpc(record: logging.LogRecord) -> str:
    """Shorten the exporter's line about a failure: "… to %s, error code: %s, error details: %s"."""
    if "error details" not in str(record.msg) or not isinstance(record.args, tuple):
        return ""
    _signal, where, code, details = record.args
    for mark, meaning in _GRPC.items():
        if mark in str(details):
            return f"{meaning} at {address(str(where))}"
    words = " ".join(str(details).split())[:200]
    return f"{getattr(code, 'name', code)} ({words}) at {address(str(where))}"


def _one_line(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text = f"{text} ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
    return " ".join(text.split())[:300]


def _say(line: str) -> None:
    # dictConfig disables all loggers that it was not told about, by default.
    _logger.disabled = False
    _logger.warning("%s", line)
