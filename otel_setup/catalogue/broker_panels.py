# SPDX-License-Identifier: Apache-2.0
"""The node that RabbitMQ runs on: panels about its limits, its CPU and its connections."""

from __future__ import annotations

from otel_setup.catalogue.alerts.rabbitmq import DISK_SHARE, MEMORY_SHARE
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Gauge, Text
from otel_setup.catalogue.promql import Expr, increase, latest, rate
from otel_setup.catalogue.scraped import broker

_NODE = "{{instance}}"
_BY = ["instance"]


def memory(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much of its memory limit the broker uses."""
    used = latest(broker.MEMORY, by=_BY, fold="max")
    return Panel(
        title=Text("Memory of the limit", "Память: доля от предела"),
        queries=(Query(used / latest(broker.MEMORY_LIMIT, by=_BY, fold="max"), _NODE),),
        why=Text(
            "At 100 % the broker blocks every publisher.",
            "При 100 % брокер блокирует всех издателей.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(MEMORY_SHARE, "warning"), Threshold(1)),
    )


def disk(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how close the broker's disk is to the free space that it needs."""
    needed = latest(broker.DISK_LIMIT, by=_BY, fold="max")
    return Panel(
        title=Text("Disk: needed of free space", "Диск: какая доля свободного нужна брокеру"),
        queries=(Query(needed / latest(broker.DISK, by=_BY, fold="min"), _NODE),),
        why=Text(
            "The free space that the broker needs, as a share of what there is. At 100 % it "
            "blocks every publisher.",
            "Какую долю свободного места составляет необходимое брокеру. При 100 % он блокирует "
            "всех издателей.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(DISK_SHARE, "warning"), Threshold(1)),
    )


def alarms(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return whether the broker blocks publishers now."""

    def on(metric: Gauge) -> Expr:
        return latest(metric, fold="max")

    return Panel(
        title=Text("Are publishers blocked?", "Заблокированы ли издатели?"),
        queries=(
            Query(on(broker.ALARM_MEMORY), "memory"),
            Query(on(broker.ALARM_DISK), "disk"),
        ),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(1),),
    )


def cpu(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many CPU cores the broker keeps busy."""
    return Panel(
        title=Text("CPU cores of the broker", "Процессор брокера, ядра"),
        queries=(Query(latest(broker.CPU), _NODE),),
        rows=rows,
        leads_to=leads_to,
    )


def connections(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many connections are open."""
    return Panel(
        title=Text("Open connections", "Открытые соединения"),
        queries=(Query(latest(broker.CONNECTIONS, by=_BY, fold="sum"), _NODE),),
        rows=rows,
        leads_to=leads_to,
    )


def churn(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how often connections begin and end."""
    return Panel(
        title=Text("Do connections flap?", "Не рвутся ли соединения?"),
        queries=(
            Query(rate(broker.CONNECTIONS_OPENED), "opened"),
            Query(rate(broker.CONNECTIONS_CLOSED), "closed"),
        ),
        why=broker.CONNECTIONS_OPENED.why,
        rows=rows,
        leads_to=leads_to,
    )


def channels_closed(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many channels ended."""
    return Panel(
        title=Text("Closed channels", "Закрытые каналы"),
        queries=(Query(increase(broker.CHANNELS_CLOSED), "closed"),),
        rows=rows,
        leads_to=leads_to,
    )


def logins_failed(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many logins the broker refused."""
    return Panel(
        title=Text("Refused logins", "Отказы во входе"),
        queries=(Query(increase(broker.LOGINS_FAILED, by=["protocol"]), "{{protocol}}"),),
        rows=rows,
        leads_to=leads_to,
    )
