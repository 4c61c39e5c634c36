# SPDX-License-Identifier: Apache-2.0
"""Alerts about the processes of servers: one takes the memory of its host."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.process import MEMORY_USAGE
from otel_setup.catalogue.entries.servers import MEMORY_UTILIZATION
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text

#: Of the host's memory: a server that has so much leaves too little to its neighbours.
LARGE_SHARE = 0.5

TAKES_MEMORY = Alert(
    name="ServerTakesMemory",
    expr=alive(MEMORY_UTILIZATION, by=["job"]) > LARGE_SHARE,
    lasts="10m",
    severity="warning",
    summary="{{ $labels.job }} holds over half of the memory of its host.",
    description="{{ $value | humanizePercentage }} of the memory, for 10 minutes.",
    meaning=Text(
        "The processes of one server have held more than half of the memory of their host for ten "
        "minutes.",
        "Процессы одного сервера уже десять минут держат больше половины памяти своего узла.",
    ),
    impact=Text(
        "Others on the host get less for their caches. When it runs out, the kernel kills a "
        "process: often the largest, so this server.",
        "Остальным на узле меньше остаётся на кэш. Когда память кончится, ядро убьёт процесс: "
        "чаще всего самый большой, то есть этот сервер.",
    ),
    diagnosis=Text(
        "Does it still grow? The broker keeps messages that nobody takes, Prometheus keeps series, "
        "the storage keeps parts of uploads that are under way. If it is level, it may be the size "
        "that the server was given.",
        "Память ещё растёт? Брокер держит сообщения, которые никто не забирает, Prometheus — ряды, "
        "хранилище — части незаконченных загрузок. Если рост остановился, возможно, столько "
        "серверу и выделили.",
    ),
    queries=(
        Query(alive(MEMORY_UTILIZATION, by=["job"]), "{{job}}"),
        Query(alive(MEMORY_USAGE, by=["job"]), "{{job}}"),
    ),
    mitigation=Text(
        "Take the cause away: consumers for the queue, fewer series, fewer uploads at once. Or "
        "limit the server in its own settings, or give it a host of its own.",
        "Устраните причину: добавьте потребителей очереди, уменьшите число рядов или одновременных "
        "загрузок. Либо ограничьте сервер его настройками или дайте ему отдельный узел.",
    ),
)

ALERTS = (TAKES_MEMORY,)
