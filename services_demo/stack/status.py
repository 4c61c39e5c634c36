# SPDX-License-Identifier: Apache-2.0
"""Show what the stack runs and what it costs."""

from __future__ import annotations

import contextlib

import psutil

from services_demo.stack.control import Control
from services_demo.stack.layout import Layout

_MIB = 1024 * 1024


def show(place: Layout) -> None:
    """Print one line per part: state, age, process, memory of it and its children."""
    total = 0.0
    for name, info in Control(place).processes().items():
        age = f"{info['now'] - info['start']} s" if info["pid"] else "-"
        mebibytes = memory(info["pid"])
        total += mebibytes
        print(f"{name:<15} {info['statename']:<9} {age:>8}  {info['pid']:>7}  {mebibytes:7.0f} MiB")
    print(f"{'all':<15} {'':<9} {'':>8}  {'':>7}  {total:7.0f} MiB")


def memory(pid: int) -> float:
    """Return the resident memory of process *pid* and all its children, in MiB; 0 if it is gone."""
    total = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid) if pid else None
        for process in [parent, *parent.children(recursive=True)] if parent else []:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total / _MIB


def all_memory(place: Layout) -> float:
    """Return the resident memory of all parts, in MiB; shared pages count in each process."""
    return sum(memory(info["pid"]) for info in Control(place).processes().values())
