# SPDX-License-Identifier: Apache-2.0
"""Transfers under way are counted while others begin, end and are forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from otel_setup.instrumentation.s3 import state
from otel_setup.instrumentation.s3.transfer import Transfer
from otel_setup.testing import Telemetry


@pytest.fixture(autouse=True)
def _alone(otel: Telemetry) -> Iterator[None]:
    assert otel.spans == []
    state.forget()
    yield
    state.forget()


def _under_way() -> int:
    return sum(int(value) for value, _labels in state._read_live())


def test_a_transfer_is_under_way_until_it_ends() -> None:
    """Its end takes it away, and so does its program that forgets it."""
    ended, forgotten = Transfer("upload", "models"), Transfer("upload", "models")
    assert _under_way() == 2

    ended.end("completed")
    assert _under_way() == 1

    del forgotten
    assert _under_way() == 0


def test_a_reading_stands_beside_transfers_that_begin_and_end() -> None:
    """No export lacks the count because another thread transfers at that moment."""
    stop = threading.Event()
    kept = [Transfer("download", "models") for _ in range(200)]

    def work() -> None:
        while not stop.is_set():
            some = [Transfer("upload", "models") for _ in range(50)]
            for each in some[::2]:
                each.end("completed")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        fewest = min(_under_way() for _ in range(2000))
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert fewest >= len(kept)
    assert _under_way() == len(kept)
