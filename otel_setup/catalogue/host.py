# SPDX-License-Identifier: Apache-2.0
"""Hosts: utilization, saturation and errors of CPU, memory, disks and network."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.host import (
    ALERTS,
    BUSY_SHARE,
    FULL_SHARE,
    LOW_SHARE,
    SKEW_SECONDS,
    available_disk,
    available_memory,
    cpus,
    skew,
)
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.host import (
    CPU,
    CPU_PRESSURE,
    DISK_AVAILABLE,
    DISK_BUSY,
    DISK_PRESSURE,
    DISK_READ,
    DISK_SIZE,
    DISK_WAITING,
    DISK_WRITTEN,
    FILES_MAX,
    FILES_OPEN,
    KILLS,
    LOAD,
    MEMORY_AVAILABLE,
    MEMORY_PRESSURE,
    MEMORY_TOTAL,
    METRICS,
    NETWORK_IN,
    NETWORK_IN_ERRORS,
    NETWORK_OUT,
    NETWORK_OUT_ERRORS,
    TIME,
)
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import WINDOW, increase, latest, rate, selector, written
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "CPU",
    "CPU_PRESSURE",
    "DISK_AVAILABLE",
    "DISK_BUSY",
    "DISK_PRESSURE",
    "DISK_READ",
    "DISK_SIZE",
    "DISK_WAITING",
    "DISK_WRITTEN",
    "FILES_MAX",
    "FILES_OPEN",
    "KILLS",
    "LOAD",
    "MEMORY_AVAILABLE",
    "MEMORY_PRESSURE",
    "MEMORY_TOTAL",
    "METRICS",
    "NETWORK_IN",
    "NETWORK_IN_ERRORS",
    "NETWORK_OUT",
    "NETWORK_OUT_ERRORS",
    "TIME",
    "clock",
    "component",
    "cpu",
    "disk",
    "disk_queue",
    "disk_speed",
    "disk_use",
    "files",
    "kills",
    "load",
    "memory",
    "memory_left",
    "network",
    "network_errors",
    "pressure",
]

#: Interfaces that lead nowhere outside: loopback, containers, bridges.
_LINES = {"device": "!~lo|veth.*|docker.*|br-.*|ifb.*|cni.*|cali.*"}
_HOST, _OF_DEVICE = "{{instance}}", "{{instance}} {{device}}"
_DEVICE = ("instance", "device")


def cpu(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of all CPUs a host uses, by what for."""
    working = selector(CPU, {"mode": "!idle"})
    by_mode = written(f"avg by (instance, mode) (rate({working}[{WINDOW}]))", "1", CPU)
    return Panel(
        title=title or Text("What do the CPUs do?", "Чем заняты процессоры?"),
        queries=(Query(by_mode, "{{instance}} {{mode}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        most=1,
    )


def load(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many tasks want a CPU, and how many CPUs there are."""
    return Panel(
        title=title or Text("Tasks that want a CPU", "Задачи, которым нужен процессор"),
        queries=(
            Query(latest(LOAD, by=["instance"], fold="max"), f"{_HOST} tasks"),
            Query(cpus(), f"{_HOST} CPUs"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def pressure(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return for which share of the time tasks waited for CPU, disk and memory."""
    return Panel(
        title=title or Text("What do tasks wait for?", "Чего ждут задачи?"),
        queries=(
            Query(rate(CPU_PRESSURE, by=["instance"]), f"{_HOST} CPU"),
            Query(rate(DISK_PRESSURE, by=["instance"]), f"{_HOST} disk"),
            Query(rate(MEMORY_PRESSURE, by=["instance"]), f"{_HOST} memory"),
        ),
        why=Text(
            "The resource that is waited for most is the one to add.",
            "Чего ждут больше всего, то и надо добавить.",
        ),
        rows=rows,
        leads_to=leads_to,
        most=1,
    )


def memory(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the memory of a host, and what of it programs may still get."""
    return Panel(
        title=title or Text("Memory of the host", "Память узла"),
        queries=(
            Query(latest(MEMORY_AVAILABLE, by=["instance"], fold="max"), f"{_HOST} available"),
            Query(latest(MEMORY_TOTAL, by=["instance"], fold="max"), f"{_HOST} in all"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def memory_left(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the memory is left to programs."""
    return Panel(
        title=title or Text("Which share of memory is left?", "Какая доля памяти осталась?"),
        queries=(Query(available_memory(), _HOST),),
        why=Text(
            "Below 10 % the kernel soon begins to kill processes.",
            "Ниже 10 % ядро скоро начнёт убивать процессы.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(LOW_SHARE, "good"),),
        most=1,
    )


def kills(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many processes the kernel killed for their memory in a day."""
    return Panel(
        title=title or Text("Processes killed in a day", "Убитые процессы за сутки"),
        queries=(Query(increase(KILLS, by=["instance"], over="1d"), _HOST),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(1, "warning"),),
    )


def disk(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of each file system is left."""
    return Panel(
        title=title or Text("Which share of disks is left?", "Какая доля дисков свободна?"),
        queries=(Query(available_disk(), "{{instance}} {{mountpoint}}"),),
        why=Text(
            "Read the slope: where does it meet zero, and when?",
            "Смотрите на наклон: когда прямая дойдёт до нуля?",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FULL_SHARE, "good"),),
        most=1,
    )


def disk_speed(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how much each disk reads and writes."""
    return Panel(
        title=title or Text("What do disks read and write?", "Сколько диски читают и пишут?"),
        queries=(
            Query(rate(DISK_READ, by=_DEVICE), f"{_OF_DEVICE} read"),
            Query(rate(DISK_WRITTEN, by=_DEVICE), f"{_OF_DEVICE} written"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def disk_use(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return for which share of the time each disk is busy."""
    return Panel(
        title=title or Text("How busy are the disks?", "Насколько заняты диски?"),
        queries=(Query(rate(DISK_BUSY, by=_DEVICE), _OF_DEVICE),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(BUSY_SHARE, "warning"),),
        most=1,
    )


def disk_queue(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many operations each disk has under way, on average."""
    length = rate(DISK_WAITING, by=_DEVICE)
    return Panel(
        title=title or Text("Operations waiting for disks", "Операции в очереди к дискам"),
        queries=(Query(replace(length, unit="{operation}"), _OF_DEVICE),),
        rows=rows,
        leads_to=leads_to,
    )


def network(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how much comes in and goes out over each interface."""
    return Panel(
        title=title or Text("Network traffic", "Сетевой трафик"),
        queries=(
            Query(rate(NETWORK_IN, by=_DEVICE, where=_LINES), f"{_OF_DEVICE} in"),
            Query(rate(NETWORK_OUT, by=_DEVICE, where=_LINES), f"{_OF_DEVICE} out"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def network_errors(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many packets are damaged on the way in or out."""
    return Panel(
        title=title or Text("Damaged packets", "Повреждённые пакеты"),
        queries=(
            Query(rate(NETWORK_IN_ERRORS, by=_DEVICE, where=_LINES), f"{_OF_DEVICE} in"),
            Query(rate(NETWORK_OUT_ERRORS, by=_DEVICE, where=_LINES), f"{_OF_DEVICE} out"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def files(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the files that the kernel allows is open."""
    taken = latest(FILES_OPEN, by=["instance"], fold="max")
    return Panel(
        title=title or Text("Which share of files is open?", "Какая доля файлов открыта?"),
        queries=(Query(taken / latest(FILES_MAX, by=["instance"], fold="max"), _HOST),),
        rows=rows,
        leads_to=leads_to,
    )


def clock(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return by how much the clock of a host is ahead of that of Prometheus."""
    return Panel(
        title=title or Text("How wrong are the clocks?", "Насколько врут часы?"),
        queries=(Query(skew(), _HOST),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SKEW_SECONDS, "warning"),),
    )


def component(
    *, owner: str = "platform", dashboard: str = "hosts", scraped: tuple[str, ...] = ("node",)
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs of Prometheus that read Node Exporter.
    """
    return Component(
        name="host",
        title=Text("Hosts", "Узлы"),
        owner=owner,
        source=Source.EXPORTER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
