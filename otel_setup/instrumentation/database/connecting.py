# SPDX-License-Identifier: Apache-2.0
"""
Attempts to connect that fail.

A pool that cannot fill itself looks like one that is too small: requests wait, and none of
their queries fails, since none is asked.
"""

from __future__ import annotations

from otel_setup._guard import quiet
from otel_setup.catalogue.entries import database as catalogue
from otel_setup.instrumentation.database.measures import Database
from otel_setup.instruments import instrument

_FAILURES = instrument(catalogue.CONNECT_FAILURES)


def attempted(to: Database) -> None:
    """Have failures to connect *to* a database counted from 0 on."""
    # A counter that is first seen at 1 has not risen for whoever reads it.
    with quiet("noting an attempt to connect"):
        _FAILURES.add(0, to.attributes)


def failed(to: Database) -> None:
    """Count a failure to connect *to* a database."""
    with quiet("noting a failure to connect"):
        _FAILURES.add(1, to.attributes)
