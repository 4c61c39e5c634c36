# SPDX-License-Identifier: Apache-2.0
"""
S3 as services see it: panels, a dashboard and alerts, by ``job`` and bucket.

Most storages have no metrics of their own that say how long a customer waits for a file; their
clients know it. How much lies there is the scanner's (`otel_setup.catalogue.storage`).
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts import s3 as alerts_of_s3
from otel_setup.catalogue.alerts.s3 import SLOW_SPEED
from otel_setup.catalogue.boards import Dashboard, Section, Variable
from otel_setup.catalogue.entries.s3 import METRICS, OPERATION_DURATION
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.s3_panels import (
    active,
    broken,
    calls,
    errors,
    failing,
    first_byte,
    latency,
    moved,
    outcomes,
    retries,
    server_errors,
    speed,
    throttles,
    transfer_time,
)
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "DASHBOARD",
    "METRICS",
    "SLOW_SPEED",
    "active",
    "broken",
    "calls",
    "component",
    "errors",
    "failing",
    "first_byte",
    "latency",
    "moved",
    "outcomes",
    "retries",
    "server_errors",
    "speed",
    "throttles",
    "transfer_time",
]

ALERTS = alerts_of_s3.alerts()

_JOB = "~$job"


def component(
    *,
    owner: str = "platform",
    dashboard: str = "s3-clients",
    scraped: tuple[str, ...] = (),
    slow_speed: float = SLOW_SPEED,
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    Transfers whose median speed is below *slow_speed* (By/s) are slow.

    Raises:
        ValueError: *slow_speed* is not above 0.
    """
    if slow_speed <= 0:
        raise ValueError(
            f"slow_speed={slow_speed!r}: expected bytes per second above 0, such as "
            f"{SLOW_SPEED:.0f}."
        )
    return Component(
        name="s3",
        title=Text("S3 in services", "S3 в сервисах"),
        owner=owner,
        source=Source.OURS,
        metrics=METRICS,
        alerts=tuple(
            replace(alert, dashboard=dashboard) for alert in alerts_of_s3.alerts(slow_speed)
        ),
        scraped=scraped,
    )


COMPONENT = component()

DASHBOARD = Dashboard(
    slug="s3-clients",
    title=Text("S3 in services", "S3 в сервисах"),
    asks=Text(
        "Does this service get its files into the storage and out of it, and is the storage what "
        "is slow?",
        "Доходят ли файлы этого сервиса до хранилища и обратно, и хранилище ли тормозит?",
    ),
    sections=(
        Section(
            title=Text("Is the storage what is slow?", "Хранилище ли тормозит?"),
            panels=(speed(_JOB), transfer_time(_JOB), first_byte(_JOB), latency(_JOB)),
        ),
        Section(
            title=Text("How much is asked of it?", "Сколько с него спрашивают?"),
            panels=(calls(_JOB), moved(_JOB), active(_JOB)),
        ),
        Section(
            title=Text("What fails?", "Что падает?"),
            panels=(failing(_JOB), errors(_JOB), server_errors(_JOB)),
        ),
        Section(
            title=Text("What do clients hide?", "Что скрывают клиенты?"),
            panels=(retries(_JOB), throttles(_JOB)),
        ),
        Section(
            title=Text("Do transfers finish?", "Доходят ли передачи до конца?"),
            panels=(outcomes(_JOB), broken(_JOB)),
        ),
    ),
    variables=(Variable(name="job", label="job", metric=OPERATION_DURATION),),
)
