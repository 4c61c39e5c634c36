# SPDX-License-Identifier: Apache-2.0
"""The alert about telemetry that a service could not hand on."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.sdk import (
    POINTS_EXPORTED,
    SPAN_QUEUE,
    SPAN_QUEUE_CAPACITY,
    SPANS_EXPORTED,
    SPANS_PROCESSED,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, rate

_WRONG = {"error.type": "!"}
#: A single failed export at the end of a process is not worth a word.
_LEAST_LOST = 100

_failed = increase(SPANS_EXPORTED, by=["job"], where=_WRONG, over="10m")
_dropped = increase(SPANS_PROCESSED, by=["job"], where=_WRONG, over="10m")

LOST = Alert(
    name="ServiceLosesSpans",
    # One of the two may have no series: what was never lost is not counted.
    expr=(_failed > _LEAST_LOST).or_(_dropped > _LEAST_LOST),
    lasts="1m",
    severity="warning",
    summary="{{ $labels.job }} loses spans.",
    description="{{ $value | humanize }} spans of the last 10 minutes did not reach the Collector.",
    meaning=Text(
        "In ten minutes a service could not deliver more than a hundred spans: exports failed, or "
        "its queue was full. Metrics are not lost this way: totals are sent again. The number "
        "travels with the metrics, so the alert may come only when the Collector is back.",
        "За десять минут сервис не смог доставить больше ста спанов: отправка не удалась или "
        "очередь была полна. Метрики так не теряются: итоги уходят снова. Само число едет вместе "
        "с метриками, поэтому оповещение может прийти, лишь когда Collector вернётся.",
    ),
    impact=Text(
        "Traces of this time have holes or are missing. The service itself works.",
        "Трассы за это время неполны или отсутствуют. Сам сервис работает.",
    ),
    diagnosis=Text(
        "Is the Collector up, and does it refuse data? The class of the exception tells a network "
        "that is cut from a Collector that says no. If only the queue was full, the service makes "
        "spans faster than it can send them.",
        "Работает ли Collector и не отказывает ли он в приёме? Класс исключения отличает обрыв "
        "сети от отказа Collector. Если переполнялась только очередь, сервис создаёт спаны "
        "быстрее, чем успевает отправлять.",
    ),
    queries=(
        Query(
            rate(SPANS_EXPORTED, by=["job", "error.type"], where=_WRONG, over="5m"),
            "{{job}} {{error_type}}",
        ),
        Query(
            rate(SPANS_PROCESSED, by=["job", "error.type"], where=_WRONG, over="5m"),
            "{{job}} {{error_type}}",
        ),
        Query(
            rate(POINTS_EXPORTED, by=["job", "error.type"], where=_WRONG, over="5m"),
            "{{job}} {{error_type}}",
        ),
        Query(alive(SPAN_QUEUE, by=["job"], fold="max"), "{{job}}"),
        Query(alive(SPAN_QUEUE_CAPACITY, by=["job"], fold="max"), "{{job}} room for"),
    ),
    mitigation=Text(
        "Bring the Collector back. If the queue is too small, raise OTEL_BSP_MAX_QUEUE_SIZE or "
        "sample (OTEL_TRACES_SAMPLER).",
        "Верните Collector. Если мала очередь, увеличьте OTEL_BSP_MAX_QUEUE_SIZE или прореживайте "
        "трассы (OTEL_TRACES_SAMPLER).",
    ),
)

ALERTS = (LOST,)
