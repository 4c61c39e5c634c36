# SPDX-License-Identifier: Apache-2.0
"""
Bound what one instrument may cost: which attributes become labels, and how many series.

The SDK keeps every set of attributes that it has ever seen, for as long as the process
lives; one attribute with user ids fills the memory of a service and the bill of its
Prometheus. The specification has a limit for it, the SDK of Python has none yet: what the
specification calls the overflow is added here, to the table in which the SDK looks up the
series of a measurement. A series that is known costs what it did before.

`views` are the SDK's own means to leave attributes out; they know the generic catalogue.
Metrics that a company describes itself are known only when their instruments are made, after
the views were given, so that their attributes are left out at the same table.
"""

from __future__ import annotations

import copy
import functools
import importlib
import logging
import pkgutil
from collections.abc import Mapping
from time import time_ns
from typing import Any

from opentelemetry.metrics import Asynchronous
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    ExplicitBucketHistogramAggregation,
    View,
)

from otel_setup import instruments
from otel_setup.catalogue import entries
from otel_setup.catalogue.entries import database, http
from otel_setup.catalogue.model import Histogram, Metric
from otel_setup.redaction import Redactor

_logger = logging.getLogger("otel_setup")

#: The attribute of the series that counts what has no series of its own.
OVERFLOW = {"otel.metric.overflow": True}

#: Entries that the Collector's receivers make; no instrument of a service has their names.
_OF_RECEIVERS = frozenset({"host", "postgresql"})

#: Upstream's own bounds for these are for milliseconds, or end at 10 kB.
_OWN_BUCKETS = (
    http.REQUEST_BODY_SIZE,
    http.RESPONSE_BODY_SIZE,
    database.OPERATION_DURATION,
    database.RETURNED_ROWS,
)

#: What of the SDK is built upon, as the code of its methods names it.
_NEEDED = {
    "__init__": {"_attributes_aggregation", "_lock", "_view", "_instrument"},
    "consume_measurement": {"_attributes_aggregation", "_attribute_keys", "_hash_attributes"},
    "collect": {"_attributes_aggregation", "_lock", "values"},
}


def views() -> list[View]:
    """Return a view for each metric of the generic catalogue: its labels, and its buckets."""
    return [
        View(
            instrument_name=entry.name,
            attribute_keys=set(entry.attributes),
            aggregation=ExplicitBucketHistogramAggregation(entry.buckets)
            if isinstance(entry, Histogram) and entry in _OWN_BUCKETS
            else None,
        )
        for entry in _generic().values()
    ]


@functools.cache
def _generic() -> Mapping[str, Metric]:
    """Return what instruments of every service record, by name."""
    modules = (
        importlib.import_module(f"{entries.__name__}.{module.name}")
        for module in pkgutil.iter_modules(entries.__path__)
        if module.name not in _OF_RECEIVERS
    )
    found = (each for module in modules for each in vars(module).values())
    return {entry.name: entry for entry in found if isinstance(entry, Metric)}


class _Policy:
    """What is in force: *limit* series per instrument, texts of labels as *redactor* shows them."""

    def __init__(self, limit: int, redactor: Redactor) -> None:
        self.most = limit - 1  # the overflow is a series as well
        self.redactor = redactor
        self.full: set[tuple[str, str]] = set()

    def say_full(self, instrument: Any) -> None:
        """Log once that *instrument* has no room for more series."""
        name = (instrument.instrumentation_scope.name, instrument.name)
        if name not in self.full:
            self.full.add(name)
            _logger.warning(
                "OTEL_SETUP_CARDINALITY_LIMIT='%s': metric %s has more sets of attributes; "
                "further ones are counted together under otel.metric.overflow=true. Leave out "
                "the attribute that has so many values, or raise the limit.",
                self.most + 1,
                instrument.name,
            )


_policy: _Policy | None = None


def install(limit: int, redactor: Redactor) -> None:
    """
    Bound every instrument that records from now on, for each reader of this process.

    A later call changes the bounds. Where the SDK is not as this needs it, one line says so
    and nothing is bounded.
    """
    global _policy  # noqa: PLW0603 - what is bounded is a class of the SDK
    first = _policy is None
    _policy = _Policy(limit, redactor)
    if not first:
        return
    try:
        _hook()
    except Exception as error:  # noqa: BLE001 - telemetry without bounds is better than none
        _policy = None
        _logger.warning(
            "OTEL_SETUP_CARDINALITY_LIMIT='%s': series are not bounded: this version of "
            "opentelemetry-sdk is not known (%s). Install one that otel-setup asks for.",
            limit,
            error,
        )


def uninstall() -> None:
    """Leave instruments alone that have recorded nothing yet."""
    global _policy  # noqa: PLW0603 - see install
    if _policy is not None:
        _policy = None
        matches = _matches()
        matches.__init__ = matches.__init__.__wrapped__


def _matches() -> Any:
    from opentelemetry.sdk.metrics._internal import _view_instrument_match  # noqa: PLC0415

    return _view_instrument_match._ViewInstrumentMatch  # noqa: SLF001 - there is no public way


def _hook() -> None:
    matches = _matches()
    for method, needed in _NEEDED.items():
        missing = needed - set(getattr(matches, method).__code__.co_names)
        if missing:
            raise LookupError(f"{method} without {min(missing)}")
    build = matches.__init__

    @functools.wraps(build)
    def bounded(self: Any, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        policy = _policy
        if policy is not None:
            try:
                _leave_out(self)
                self._attributes_aggregation = _Series(self, policy)
            except Exception as error:  # noqa: BLE001 - the instrument works without bounds
                _logger.warning("a metric is not bounded: %s: %s", type(error).__name__, error)

    matches.__init__ = bounded


def _leave_out(match: Any) -> None:
    """Have *match* keep the attributes that the catalogue lists, unless a view chose others."""
    if match._view._attribute_keys is None:  # noqa: SLF001 - as the SDK reads it
        name = match._instrument.name  # noqa: SLF001
        entry = _generic().get(name) or instruments.ENTRIES.get(name)
        if entry is not None:
            match._view = copy.copy(match._view)  # noqa: SLF001
            match._view._attribute_keys = set(entry.attributes)  # noqa: SLF001


class _Series(dict[Any, Any]):
    """
    The SDK's table of one instrument and reader: key of the attributes → aggregation.

    The SDK looks up a key, and under its lock adds what is missing. Only adding is changed,
    so that a known series is found by the dict itself.
    """

    __slots__ = ("_aliases", "_match", "_policy")

    def __init__(self, match: Any, policy: _Policy) -> None:
        super().__init__()
        self._match = match
        self._policy = policy
        self._aliases = False

    def __setitem__(self, key: Any, aggregation: Any) -> None:
        # Once per series: texts are cut and secrets hidden before they are labels. Done at
        # the export, two series could become one name with two values.
        attributes = aggregation._attributes  # noqa: SLF001 - no other way to its labels
        changes = self._policy.redactor.changes(attributes)
        if changes:
            aggregation._attributes = {**attributes, **changes}  # noqa: SLF001
            shown = _key(aggregation._attributes)  # noqa: SLF001
            aggregation = self.setdefault(shown, aggregation)
            self._aliases = True
        super().__setitem__(key, aggregation)
        if len(self) >= self._policy.most:
            self.__class__ = _Full

    def values(self) -> Any:
        """Return each aggregation once; the SDK asks when it collects, under its lock."""
        if isinstance(self._match._instrument, Asynchronous):  # noqa: SLF001
            self._forget(full=len(self) >= self._policy.most)
        every = super().values()
        return list(dict.fromkeys(every)) if self._aliases else every

    def _forget(self, *, full: bool) -> None:
        """
        Make room: a callback that goes on to other attributes may never come back to these.

        What a callback does not observe is not exported either. A counter that comes back
        would begin anew, in the middle of its count: it is forgotten only where room is scarce.
        """
        gone = [
            key
            for key, aggregation in self.items()
            if aggregation._value is None  # noqa: SLF001
            and not (
                getattr(aggregation, "_previous_value", None) if full else _counts(aggregation)
            )
        ]
        for key in gone:
            del self[key]
        if len(self) < self._policy.most:
            self.__class__ = _Series


def _counts(aggregation: Any) -> bool:
    return hasattr(aggregation, "_previous_value")


class _Full(_Series):
    """A table that takes no more: for what is missing it has the overflow."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        # The SDK asks whether it has to add something.
        return True

    def __missing__(self, key: Any) -> Any:
        match = self._match
        overflow = self.get(_key(OVERFLOW))
        if overflow is None:
            with match._lock:  # noqa: SLF001 - collecting goes over the table
                overflow = self.get(_key(OVERFLOW))
                if overflow is None:
                    overflow = _aggregation(match)
                    dict.__setitem__(self, _key(OVERFLOW), overflow)
            self._policy.say_full(match._instrument)  # noqa: SLF001
        return overflow


def _key(attributes: Mapping[str, Any]) -> Any:
    from opentelemetry.sdk.metrics._internal import _view_instrument_match  # noqa: PLC0415

    return _view_instrument_match._hash_attributes(attributes)  # noqa: SLF001 - as the SDK's own


def _aggregation(match: Any) -> Any:
    """Return a new aggregation for the overflow, as the SDK makes one for each series."""
    view = match._view  # noqa: SLF001
    kind = view._aggregation  # noqa: SLF001
    if isinstance(kind, DefaultAggregation):
        kind = match._instrument_class_aggregation[match._instrument.__class__]  # noqa: SLF001
    return kind._create_aggregation(  # noqa: SLF001
        match._instrument,  # noqa: SLF001
        dict(OVERFLOW),
        view._exemplar_reservoir_factory,  # noqa: SLF001
        time_ns(),
    )
