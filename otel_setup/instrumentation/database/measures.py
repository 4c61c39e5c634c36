# SPDX-License-Identifier: Apache-2.0
"""The instruments that queries are recorded with, and the labels that they have in common."""

from __future__ import annotations

from opentelemetry import trace

from otel_setup.catalogue.entries import database as catalogue
from otel_setup.instrumentation.database.statements import Statement
from otel_setup.instruments import SCOPE, instrument

TRACER = trace.get_tracer(SCOPE)
DURATION = instrument(catalogue.OPERATION_DURATION)
RETURNED_ROWS = instrument(catalogue.RETURNED_ROWS)

Labels = dict[str, str | int]

#: Combinations of labels that are remembered; a service has tens.
_MOST_LABELS = 4096
_MOST_DATABASES = 256


class Database:
    """One database on one server: what every query to it is recorded with."""

    __slots__ = ("_labels", "attributes", "system")

    def __init__(self, system: str, namespace: str, address: str, port: int | None) -> None:
        self.system = system
        self.attributes: Labels = {"db.system.name": system}
        if namespace:
            self.attributes["db.namespace"] = namespace
        if address:
            self.attributes["server.address"] = address
        if port is not None:
            self.attributes["server.port"] = port
        self._labels: dict[tuple[str, str, str], Labels] = {}

    @property
    def name(self) -> str:
        """What a span is called whose statement says nothing."""
        return str(self.attributes.get("db.namespace", self.system))

    def labels(self, statement: Statement, error: str = "") -> Labels:
        """Return the labels of *statement*, and of the *error* that ended it."""
        key = (statement.operation, statement.table, error)
        found = self._labels.get(key)
        if found is None:
            found = dict(self.attributes)
            if statement.operation:
                found["db.operation.name"] = statement.operation
            if statement.table:
                found["db.collection.name"] = statement.table
            if error:
                found["error.type"] = error
            if len(self._labels) < _MOST_LABELS:
                self._labels[key] = found
        return found


_databases: dict[tuple[str, str, str, int | None], Database] = {}


def database(system: str, namespace: str, address: str, port: int | None) -> Database:
    """Return the one database of this kind, name and place."""
    key = (system, namespace, address, port)
    found = _databases.get(key)
    if found is None:
        found = Database(*key)
        if len(_databases) < _MOST_DATABASES:
            _databases[key] = found
    return found
