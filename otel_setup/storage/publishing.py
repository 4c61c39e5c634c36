# SPDX-License-Identifier: Apache-2.0
"""The gauges of a scanner: what it knows, read at each export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from otel_setup import observe
from otel_setup.catalogue.entries import storage as catalogue
from otel_setup.storage.scanner import Scanner
from otel_setup.storage.state import Amount

_BUCKET, _CLASS = "aws.s3.bucket", "storage.prefix.class"

_Values = Iterator[tuple[float, Mapping[str, str]]]


def publish(scanner: Scanner) -> None:
    """Have what *scanner* knows exported from now on; call it once."""
    observe(catalogue.SIZE, lambda: _by_class(scanner, _bytes))
    observe(catalogue.OBJECTS, lambda: _by_class(scanner, _count))
    observe(catalogue.UNFINISHED_SIZE, lambda: _unfinished(scanner, _bytes))
    observe(catalogue.UNFINISHED_UPLOADS, lambda: _unfinished(scanner, _count))
    observe(catalogue.SCAN_TIME, lambda: _times(scanner))
    observe(catalogue.SCAN_FAILURES, lambda: _failures(scanner))
    observe(catalogue.SCAN_INTERVAL, lambda: [(scanner.settings.interval, {})])
    if (capacity := scanner.settings.capacity) is not None:
        observe(catalogue.CAPACITY, lambda: [(capacity, {})])


def _bytes(amount: Amount) -> int:
    return amount.bytes


def _count(amount: Amount) -> int:
    return amount.count


def _by_class(scanner: Scanner, value: Callable[[Amount], int]) -> _Values:
    for bucket, result in scanner.results.items():
        for name, amount in result.sizes.items():
            yield value(amount), {_BUCKET: bucket, _CLASS: name}


def _unfinished(scanner: Scanner, value: Callable[[Amount], int]) -> _Values:
    for bucket, result in scanner.results.items():
        if result.unfinished is not None:
            yield value(result.unfinished), {_BUCKET: bucket}


def _times(scanner: Scanner) -> _Values:
    for bucket, result in scanner.results.items():
        yield result.time, {_BUCKET: bucket}


def _failures(scanner: Scanner) -> _Values:
    for bucket, count in scanner.failures.items():
        yield count, {_BUCKET: bucket}
