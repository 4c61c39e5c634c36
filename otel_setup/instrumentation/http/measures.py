# SPDX-License-Identifier: Apache-2.0
"""The tracer and the instruments that requests are recorded with."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

from otel_setup.catalogue.entries import database, http
from otel_setup.instrumentation.http import counts
from otel_setup.instruments import instrument, is_deferred

if TYPE_CHECKING:
    from otel_setup.instrumentation.http.exchange import Exchange

_SCOPE = "otel_setup"
#: Combinations of labels; a service has tens, and one that has thousands is not remembered.
_MOST_LABELS = 4096

#: On the span of a request: the kind of query that it asked most often, and how often.
REPEATED = "http.server.db.repeated.query"
REPETITIONS = "http.server.db.repeated.queries"

Labels = dict[str, str | int]


class Measures:
    """What requests are recorded with, as long as the global providers are the same."""

    def __init__(self, tracers: trace.TracerProvider, meters: metrics.MeterProvider) -> None:
        self.tracers = tracers
        self.meters = meters
        self.tracer = tracers.get_tracer(_SCOPE)
        self.duration = instrument(http.REQUEST_DURATION)
        self.request_size = instrument(http.REQUEST_BODY_SIZE)
        self.response_size = instrument(http.RESPONSE_BODY_SIZE)
        self._queries = instrument(database.REQUEST_QUERIES)
        self._query_time = instrument(database.REQUEST_QUERY_TIME)
        self._wait_time = instrument(database.REQUEST_WAIT_TIME)
        self._labels: dict[tuple[object, ...], Labels] = {}

    def queries(self, exchange: Exchange, route: str | None) -> None:
        """Record what *exchange* asked of databases, if it did, also in its span."""
        asked, span = exchange.queries, exchange.span
        if asked is None:
            return
        labels = {"http.request.method": exchange.method}
        if route:
            labels["http.route"] = route
        self._queries.record(asked.count, labels, exchange.context)
        self._query_time.record(asked.asking, labels, exchange.context)
        self._wait_time.record(asked.waiting, labels, exchange.context)
        if not span.is_recording():
            return
        told: dict[str, str | float] = {
            database.REQUEST_QUERIES.name: asked.count,
            database.REQUEST_QUERY_TIME.name: asked.asking,
            database.REQUEST_WAIT_TIME.name: asked.waiting,
        }
        summary, times = asked.most_repeated()
        if times > 1:
            told |= {REPEATED: summary, REPETITIONS: times}
        span.set_attributes(told)

    def labels(self, exchange: Exchange, route: str | None, error: str | None) -> Labels:
        """Return the labels of *exchange*; the same dict for the same values."""
        key = (route, exchange.status, exchange.method, exchange.scheme, exchange.version, error)
        found = self._labels.get(key)
        if found is None:
            found = _labels(exchange, route, error)
            if len(self._labels) < _MOST_LABELS:
                self._labels[key] = found
        return found


def _labels(exchange: Exchange, route: str | None, error: str | None) -> Labels:
    labels: Labels = {"http.request.method": exchange.method, "url.scheme": exchange.scheme}
    if exchange.version is not None:
        labels["network.protocol.version"] = exchange.version
    if route:
        labels["http.route"] = route
    if exchange.status is not None:
        labels["http.response.status_code"] = exchange.status
    if error is not None:
        labels["error.type"] = error
    return labels


_measures: Measures | None = None
_making = threading.Lock()


def measures() -> Measures | None:
    """Return what to record with under the present providers; None when there are none."""
    now = _measures
    tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    if now is not None and now.tracers is tracers and now.meters is meters:
        return now
    return _make(tracers, meters)


def _make(tracers: trace.TracerProvider, meters: metrics.MeterProvider) -> Measures | None:
    global _measures  # noqa: PLW0603 - the providers are global as well
    if is_deferred(tracers) and is_deferred(meters):
        return None
    with _making:
        if _measures is None or _measures.tracers is not tracers or _measures.meters is not meters:
            _measures = Measures(tracers, meters)
            counts.publish()
        return _measures


def renew() -> None:
    """Begin anew with each recording of a test: the provider is the same, what is behind is not."""
    global _measures  # noqa: PLW0603 - see _make
    counts.renew()
    _measures = None


def _unlock() -> None:
    global _making  # noqa: PLW0603 - a thread of the parent may have held it
    _making = threading.Lock()


os.register_at_fork(after_in_child=_unlock)
