# SPDX-License-Identifier: Apache-2.0
"""Metrics of one process; names of the semantic conventions (process and cpython namespaces)."""

from otel_setup.catalogue.model import Counter, UpDownCounter

CPU_TIME = Counter(
    name="process.cpu.time",
    unit="s",
    description="CPU seconds spent by the process.",
    why="Tells whether a slow service lacks CPU or waits for somebody else.",
    attributes={"cpu.mode": "user or system: own code or the kernel on its behalf"},
)

MEMORY_USAGE = UpDownCounter(
    name="process.memory.usage",
    unit="By",
    description="Resident memory of the process.",
    why="A leak shows as a steady rise days before the kernel kills the process.",
)

THREADS = UpDownCounter(
    name="process.thread.count",
    unit="{thread}",
    description="Threads of the process.",
    why="Threads that pile up wait for something: a lock, a pool, a dead peer.",
)

OPEN_FILES = UpDownCounter(
    name="process.unix.file_descriptor.count",
    unit="{file_descriptor}",
    description="Open files and sockets of the process.",
    why="Descriptors that are not closed end in refused connections.",
)

COLLECTIONS = Counter(
    name="cpython.gc.collections",
    unit="{collection}",
    description="Runs of the garbage collector.",
    why="Many runs of the old generation explain pauses.",
    attributes={"cpython.gc.generation": "0, 1 or 2: young to old"},
)
