# SPDX-License-Identifier: Apache-2.0
"""What the Collector measures of the processes of servers beyond what services tell of theirs."""

from otel_setup.catalogue.entries.process import EXECUTABLE
from otel_setup.catalogue.model import Gauge, Method, Text

MEMORY_UTILIZATION = Gauge(
    name="process.memory.utilization",
    unit="1",
    description=Text(
        "Share of the host's memory that the process holds; not of PostgreSQL, whose processes "
        "would each count the memory that they share.",
        "Какую долю памяти узла держит процесс; кроме PostgreSQL, чьи процессы посчитали бы общую "
        "память каждый за свою.",
    ),
    why=Text(
        "Says which server to limit or to move when the host runs out of memory, before the "
        "kernel chooses one to kill.",
        "Показывает, какой сервер ограничить или перенести, когда память узла кончается, раньше "
        "чем ядро выберет, кого убить.",
    ),
    attributes=EXECUTABLE,
    method=Method.SATURATION,
)

METRICS = (MEMORY_UTILIZATION,)
