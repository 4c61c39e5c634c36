# SPDX-License-Identifier: Apache-2.0
"""
CPU, memory, threads, open files and garbage collections of this process.

Upstream's package also reports the whole host, once per worker, and keeps the
process that it was imported in: after a fork each worker would report its parent.
Here the process is looked up by its id at every reading.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup.catalogue.entries import process as catalogue
from otel_setup.instruments import observe

if TYPE_CHECKING:
    import psutil

    from otel_setup.catalogue.model import Counter, UpDownCounter
    from otel_setup.instruments import Observations

_live: dict[int, psutil.Process] = {}


def _process() -> psutil.Process:
    """Return the process that runs this code, also in a forked child."""
    import psutil  # noqa: PLC0415 - an extra; only processes that are measured pay for it

    pid = os.getpid()
    if pid not in _live:
        _live.clear()
        _live[pid] = psutil.Process(pid)
    return _live[pid]


def _cpu_time() -> Observations:
    times = _process().cpu_times()
    return [(times.user, {"cpu.mode": "user"}), (times.system, {"cpu.mode": "system"})]


def _memory() -> Observations:
    return [(_process().memory_info().rss, {})]


def _threads() -> Observations:
    return [(_process().num_threads(), {})]


def _open_files() -> Observations:
    return [(_process().num_fds(), {})]


#: Collections that a forked process was born with: they are its parent's.
_inherited = [0, 0, 0]


def _inherit() -> None:
    _inherited[:] = [stats["collections"] for stats in gc.get_stats()]


def _collections() -> Iterator[tuple[float, dict[str, str]]]:
    for generation, stats in enumerate(gc.get_stats()):
        own = stats["collections"] - _inherited[generation]
        yield own, {"cpython.gc.generation": str(generation)}


_READERS: tuple[tuple[Counter | UpDownCounter, Callable[[], Observations]], ...] = (
    (catalogue.CPU_TIME, _cpu_time),
    (catalogue.MEMORY_USAGE, _memory),
    (catalogue.THREADS, _threads),
    (catalogue.OPEN_FILES, _open_files),
    (catalogue.COLLECTIONS, _collections),
)


class ProcessInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Observes the process it runs in; entry point ``otel_setup_process``."""

    _active = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library that reads the numbers, installed by the extra ``process``."""
        return ("psutil >= 5.9",)

    def _instrument(self, **_kwargs: Any) -> None:
        self._active = True
        os.register_at_fork(after_in_child=_inherit)
        for entry, read in _READERS:
            observe(entry, self._while_active(read))

    def _while_active(self, read: Callable[[], Observations]) -> Callable[[], Observations]:
        return lambda: read() if self._active else ()

    def _uninstrument(self, **_kwargs: Any) -> None:
        # The API cannot remove an observable instrument: it stays and reports nothing.
        self._active = False
