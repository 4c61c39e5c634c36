# SPDX-License-Identifier: Apache-2.0
"""Transfers that are under way in this process, and what is read when metrics are exported."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from opentelemetry import metrics

from otel_setup.catalogue.entries import s3 as catalogue
from otel_setup.instrumentation.observing import Observing
from otel_setup.instrumentation.s3 import body, measures

if TYPE_CHECKING:
    from otel_setup.instrumentation.s3.transfer import Transfer
    from otel_setup.instruments import Observations

#: As many series as the SDK lets one instrument have.
_MOST = 2000

#: Weakly: one that its program forgets, and that never ends, is not under way. A set of weak
#: references cannot be read while another thread adds to it, and a finalizer may not wait for a
#: lock; a dict is changed and copied at once.
_live: dict[int, weakref.ref[Transfer]] = {}
_seen: dict[tuple[str, str], None] = {}


def enter(transfer: Transfer) -> None:
    """Count *transfer* as one that is under way."""
    key = (transfer.bucket, transfer.direction)
    if key not in _seen and len(_seen) < _MOST:
        _seen[key] = None
    number = id(transfer)
    _live[number] = weakref.ref(transfer, lambda _: _live.pop(number, None))


def leave(transfer: Transfer) -> None:
    """Count *transfer* no more."""
    _live.pop(id(transfer), None)


def _read_live() -> Observations:
    body.measure_left()
    counts = dict.fromkeys(list(_seen), 0)
    for reference in list(_live.values()):
        transfer = reference()
        if transfer is not None and (transfer.bucket, transfer.direction) in counts:
            counts[transfer.bucket, transfer.direction] += 1
    return [
        (count, {measures.BUCKET: bucket, measures.DIRECTION: direction})
        for (bucket, direction), count in counts.items()
    ]


_OBSERVING = Observing(
    (
        *((each.entry, each.read) for each in measures.TALLIES),
        (catalogue.ACTIVE_TRANSFERS, _read_live),
    )
)


_published: object = None


def publish() -> None:
    """Have the counts read at every export of the present provider."""
    global _published  # noqa: PLW0603 - of the whole process
    meters = metrics.get_meter_provider()
    if meters is not _published:  # each call asks
        _OBSERVING.publish()
        _published = meters


def renew() -> None:
    """Begin anew with a recording of a test, which forgets what an earlier one observed."""
    global _published  # noqa: PLW0603 - of the whole process
    _published = None
    forget()
    _OBSERVING.renew()


def forget() -> None:
    """Begin anew: what a parent counted, the parent reports."""
    _live.clear()
    _seen.clear()
    body.forget()
    for each in measures.TALLIES:
        each.forget()


os.register_at_fork(after_in_child=forget)
