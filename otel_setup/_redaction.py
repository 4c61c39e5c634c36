# SPDX-License-Identifier: Apache-2.0
"""
Exporters that let no secret through.

`redacted` wraps an exporter of the SDK. The work is done on the thread that exports, not in
the request; what has nothing to hide is handed on as it is, everything else as a copy, since
other exporters have the same objects.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, Status

from otel_setup._guard import warn_sometimes
from otel_setup.redaction import Redactor


def redacted(signal: str, exporter: Any, redactor: Redactor) -> Any:
    """
    Return *exporter* of *signal* (traces, metrics or logs) behind *redactor*.

    A reader of metrics, which exports by itself, is returned as it is.
    """
    if isinstance(exporter, MetricReader):
        return exporter
    return {"traces": _Spans, "metrics": _Metrics, "logs": _Logs}[signal](exporter, redactor)


class _Behind:
    """An exporter behind a redactor; all but the export itself is the exporter's own."""

    def __init__(self, exporter: Any, redactor: Redactor) -> None:
        self._behind = exporter
        self._resources = Resources(redactor)
        self._redactor = redactor

    def __getattr__(self, name: str) -> Any:
        # Neither before __init__ nor in a copy.
        if name == "_behind":
            raise AttributeError(name)
        return getattr(self._behind, name)


class _Spans(_Behind):
    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        """Export *spans* without their secrets."""
        return self._behind.export(_each(self._clean, spans))

    def _clean(self, span: ReadableSpan) -> ReadableSpan:
        redactor = self._redactor
        name = redactor.attribute("span.name", span.name)
        recorded: Any = span.attributes
        attributes = recorded.copy()  # as dict() would ask for each value
        changes = redactor.changes(attributes)
        events = [_event(redactor, event) for event in span.events]
        links = [_link(redactor, link) for link in span.links]
        status = span.status
        said = status.description
        shown = redactor.attribute("span.status", said) if said else said
        resource = self._resources.clean(span.resource)
        if (
            name is span.name
            and not changes
            and shown is said
            and not any(events)
            and not any(links)
            and resource is span.resource
        ):
            return span
        return ReadableSpan(
            name=name,
            context=span.context,
            parent=span.parent,
            resource=resource,
            attributes=_bounded({**attributes, **changes}, span.dropped_attributes),
            events=_list(events, span.events, span.dropped_events),
            links=_list(links, span.links, span.dropped_links),
            kind=span.kind,
            status=Status(status.status_code, shown),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


class _Logs(_Behind):
    def export(self, batch: Sequence[ReadableLogRecord]) -> Any:
        """Export *batch* without its secrets."""
        return self._behind.export(_each(self._clean, batch))

    def _clean(self, readable: ReadableLogRecord) -> ReadableLogRecord:
        record = readable.log_record
        body = record.body
        shown = body if body is None else self._redactor.attribute("log.body", body)
        attributes = dict(record.attributes) if record.attributes else {}
        changes = self._redactor.changes(attributes)
        resource = self._resources.clean(readable.resource)
        if shown is body and not changes and resource is readable.resource:
            return readable
        changed = copy.copy(record)
        changed.body = shown
        changed.attributes = _bounded({**attributes, **changes}, readable.dropped_attributes)
        return dataclasses.replace(readable, log_record=changed, resource=resource)


class _Metrics(_Behind):
    def export(self, metrics_data: MetricsData, *args: Any, **kwargs: Any) -> Any:
        """Export *metrics_data* without its secrets."""
        clean = clean_metrics(metrics_data, self._redactor, self._resources)
        return self._behind.export(clean, *args, **kwargs)


class Resources:
    """Cleans resources; most of the time there is one, and it is remembered."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._last: tuple[Resource | None, Resource | None] = (None, None)

    def clean(self, resource: Any) -> Any:
        """Return *resource* without secrets: itself when it has none."""
        last, shown = self._last
        if resource is last or resource is None:
            return shown if resource is last else None
        changes = self._redactor.changes(resource.attributes)
        shown = resource
        if changes:
            shown = Resource({**resource.attributes, **changes}, resource.schema_url)
        self._last = (resource, shown)
        return shown


def clean_metrics(data: MetricsData, redactor: Redactor, resources: Resources) -> MetricsData:
    """
    Return *data* without secrets.

    Exemplars lose the attributes that no series has: ids of users and paths are what views
    take away. The trace that the exemplar names has them.
    """

    def point(old: Any) -> Any:
        changes = redactor.changes(old.attributes)
        exemplars = old.exemplars
        if changes or any(exemplar.filtered_attributes for exemplar in exemplars):
            return dataclasses.replace(
                old,
                attributes={**(old.attributes or {}), **changes},
                exemplars=[
                    dataclasses.replace(exemplar, filtered_attributes={}) for exemplar in exemplars
                ],
            )
        return old

    def metric(old: Any) -> Any:
        points = _changed(old.data.data_points, point)
        if points is None:
            return old
        return dataclasses.replace(old, data=dataclasses.replace(old.data, data_points=points))

    def scope(old: Any) -> Any:
        metrics = _changed(old.metrics, metric)
        return old if metrics is None else dataclasses.replace(old, metrics=metrics)

    def part(old: Any) -> Any:
        scopes = _changed(old.scope_metrics, scope)
        resource = resources.clean(old.resource)
        if scopes is None and resource is old.resource:
            return old
        return dataclasses.replace(
            old, resource=resource, scope_metrics=old.scope_metrics if scopes is None else scopes
        )

    parts = _changed(data.resource_metrics, part)
    return data if parts is None else dataclasses.replace(data, resource_metrics=parts)


def _changed(old: Sequence[Any], change: Callable[[Any], Any]) -> list[Any] | None:
    """Return *old* with *change* made to each; None when that changed nothing."""
    new = [change(each) for each in old]
    return new if any(a is not b for a, b in zip(new, old, strict=True)) else None


def _each(clean: Callable[[Any], Any], batch: Sequence[Any]) -> list[Any]:
    """Return *batch* cleaned; what cannot be cleaned does not leave."""
    kept = []
    for each in batch:
        try:
            kept.append(clean(each))
        except Exception as error:  # noqa: BLE001 - the rest of the batch is sent
            warn_sometimes(
                "redaction",
                f"one {type(each).__name__} is not sent: its secrets cannot be hidden "
                f"({type(error).__name__}).",
            )
    return kept


def _event(redactor: Redactor, event: Any) -> Event | None:
    """Return *event* without secrets; None when it has none."""
    name = redactor.attribute("event.name", event.name)
    changes = redactor.changes(event.attributes)
    if name is event.name and not changes:
        return None
    return Event(
        name,
        _bounded({**(event.attributes or {}), **changes}, event.dropped_attributes),
        event.timestamp,
    )


def _link(redactor: Redactor, link: Any) -> Link | None:
    changes = redactor.changes(link.attributes)
    if not changes:
        return None
    return Link(
        link.context, _bounded({**(link.attributes or {}), **changes}, link.dropped_attributes)
    )


def _bounded(attributes: Mapping[str, Any], dropped: int) -> Mapping[str, Any]:
    """Return *attributes* that still say how many were dropped before."""
    if not dropped:
        return attributes
    bounded = BoundedAttributes(attributes=attributes)
    bounded.dropped = dropped
    return bounded


def _list(new: Sequence[Any], old: Sequence[Any], dropped: int) -> Sequence[Any]:
    both = [a if b is None else b for a, b in zip(old, new, strict=True)]
    if not dropped:
        return both
    bounded = BoundedList.from_seq(len(both), both)
    bounded.dropped = dropped
    return bounded
