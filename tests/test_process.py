# SPDX-License-Identifier: Apache-2.0
"""What a process reports about itself is what the kernel says about it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import psutil
import pytest

from otel_setup.instrumentation import process
from otel_setup.instrumentation.process import ProcessInstrumentor
from tests.conftest import Telemetry

ME = psutil.Process()
ALL = frozenset()


@pytest.fixture(autouse=True)
def _instrumented(telemetry: Telemetry) -> Iterator[None]:  # noqa: ARG001 - before it
    """Observe this process for one test."""
    ProcessInstrumentor().instrument()
    yield
    ProcessInstrumentor().uninstrument()


def test_cpu_time_is_split_by_mode(telemetry: Telemetry) -> None:
    """It lies between the kernel's numbers of before and after."""
    before = ME.cpu_times()
    values = telemetry.values("process.cpu.time")
    after = ME.cpu_times()
    user = values.pop(frozenset({("cpu.mode", "user")}))
    system = values.pop(frozenset({("cpu.mode", "system")}))
    assert before.user <= user <= after.user
    assert before.system <= system <= after.system
    assert values == {}


def test_memory_is_what_is_resident(telemetry: Telemetry) -> None:
    """Within what the reading itself takes."""
    assert telemetry.values("process.memory.usage")[ALL] == pytest.approx(
        ME.memory_info().rss, abs=5_000_000
    )


def between(low: float, value: float, high: float) -> bool:
    """Tell whether *value* lies between two readings; others may start and end things as well."""
    return min(low, high) <= value <= max(low, high)


def test_threads_are_counted(telemetry: Telemetry) -> None:
    """The number is the kernel's, and nine threads more are in it."""
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(9)]
    for thread in threads:
        thread.start()
    try:
        before = ME.num_threads()
        count = telemetry.values("process.thread.count")[ALL]
        assert between(before, count, ME.num_threads())
        assert count >= 10
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_open_files_are_counted(telemetry: Telemetry) -> None:
    """The number is the kernel's, and fifty descriptors more are in it."""
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(50)]
    try:
        before = ME.num_fds()
        count = telemetry.values("process.unix.file_descriptor.count")[ALL]
        assert between(before, count, ME.num_fds())
        assert count >= 50
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_each_generation_of_the_collector_is_counted(telemetry: Telemetry) -> None:
    """A full collection counts in the oldest generation."""
    old = frozenset({("cpython.gc.generation", "2")})
    before = telemetry.values("cpython.gc.collections")
    gc.collect()
    after = telemetry.values("cpython.gc.collections")
    assert after[old] == before[old] + 1
    assert len(after) == 3


def test_a_forked_child_reads_itself() -> None:
    """Upstream goes on to report the parent."""
    assert process._process().pid == os.getpid()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:  # pragma: no cover - the child
        os.write(writer, str(process._process().pid).encode())
        os._exit(0)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        os.close(writer)
        assert int(answer.read()) == child


def test_after_uninstrument_nothing_is_reported(telemetry: Telemetry) -> None:
    """An observable instrument cannot be removed, so it falls silent."""
    ProcessInstrumentor().uninstrument()
    try:
        assert {telemetry.metric(entry.name) for entry, _ in process._READERS} == {None}
    finally:
        ProcessInstrumentor().instrument()
