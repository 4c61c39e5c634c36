# SPDX-License-Identifier: Apache-2.0
"""One fault of the company that a server and its clients see is told by one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, latest, selector, written
from otel_setup.catalogue.scraped.broker import DEAD_LETTERED
from otel_setup.catalogue.whole import Component
from services_demo.catalogue.bus import EVENT_FAILURES
from services_demo.catalogue.deadletters import KEPT

#: An increase is extrapolated to the edges of its window, here by 5 of 300 seconds at most.
_EXTRAPOLATED, _LESS_THAN_ONE = 1.02, 0.5

#: A worker is called after its team, and so is the queue that it consumes.
_WORKER_OF_QUEUE = '{{ reReplaceAll "[.].*" "-worker" $labels.queue }}'


def broker(component: Component) -> Component:
    """Have *component*, the broker, name the worker of a queue, and tell no dead letter twice."""
    return _with(component, QueueHasNoConsumers=_of_its_worker, MessagesDeadLettered=_unreported)


def silence(component: Component) -> Component:
    """Have a worker that stopped be told by its queue alone, which says what that means."""
    return _with(component, ServiceSilent=_unless_its_queue_tells)


def scans(component: Component) -> Component:
    """Have a bucket that services cannot reach be told by them alone, not by the scanner too."""
    return _with(component, StorageScanFails=_unless_its_users_tell)


def locks(component: Component) -> Component:
    """Have *component*, the databases from inside, name a database the way its clients do."""
    return _with(component, PostgresLocksPileUp=_of_its_database)


def clients(component: Component) -> Component:
    """Have slow queries of *component* that wait for locks be told by the locks alone."""
    return _with(component, DatabaseQueriesSlow=_unless_locks_tell)


def _with(component: Component, **changes: Callable[[Alert], Alert]) -> Component:
    alerts = tuple(
        changes[alert.name](alert) if alert.name in changes else alert for alert in component.alerts
    )
    return replace(component, alerts=alerts)


def _of_its_worker(alert: Alert) -> Alert:
    return replace(alert, labels={**alert.labels, "job": _WORKER_OF_QUEUE})


def _of_its_database(alert: Alert) -> Alert:
    name = "{{ $labels.postgresql_database_name }}"
    return replace(alert, labels={**alert.labels, "db_namespace": name})


def _unless_locks_tell(alert: Alert) -> Alert:
    return replace(alert, inhibited_by=("PostgresLocksPileUp",), inhibited_on=("db_namespace",))


def _unless_its_users_tell(alert: Alert) -> Alert:
    return replace(alert, inhibited_by=("S3CallsFail",), inhibited_on=("aws_s3_bucket",))


def _unless_its_queue_tells(alert: Alert) -> Alert:
    # The alert itself looks whether the Collector is there, so that need not hold it back.
    return replace(alert, inhibited_by=("QueueHasNoConsumers",), inhibited_on=("job",))


def _unreported(alert: Alert) -> Alert:
    """
    Return *alert* without what others tell together with its queue.

    EventHandlingFails tells what a service refused, DeadLettersArrive what the keeper of dead
    letters took. What neither counted remains. Their counts come with an export, hence the
    seconds.
    """
    return replace(
        alert,
        expr=alert.expr.unless_on(_refused(), "reason").unless_on(_kept(), "reason"),
        lasts="10s",
        meaning=Text(
            "Messages were given up and moved to a dead-letter exchange, and nobody else tells of "
            "it: no service reported that it refused them, and they did not reach the table of "
            "dead letters. Ends five minutes after the last one.",
            "От сообщений отказались, они ушли в обменник погибших, и больше об этом никто не "
            "сообщает: ни один сервис не сказал, что отверг их, и до таблицы «мёртвых писем» они "
            "не дошли. Гаснет через пять минут после последнего.",
        ),
        diagnosis=Text(
            "Does the CRM's worker run, which keeps the dead letters? If it does, they went to "
            "another queue: `rabbitmqctl list_queues name policy arguments` shows who has which "
            "dead-letter exchange. A message's x-death header says from which queue it comes, why, "
            "and how often; its traceparent header leads to the trace.",
            "Работает ли обработчик CRM, который собирает погибшие сообщения? Если да, они ушли в "
            "другую очередь: какой у кого обменник погибших, покажет `rabbitmqctl list_queues name "
            "policy arguments`. Заголовок x-death сообщения говорит, из какой оно очереди, почему "
            "и сколько раз; traceparent ведёт к трассе.",
        ),
    )


def _refused() -> Expr:
    """Return the reason ``rejected`` while services reported all that died of it."""
    where = {"dead_letter_strategy": "!disabled", "reason": "rejected"}
    died = latest(DEAD_LETTERED, where=where, fold="sum", by=())
    # A minute more than the broker's five: no report is forgotten before its message.
    reported = increase(EVENT_FAILURES, where={"outcome": "refused"}, over="6m")
    return written(
        f'label_replace({_all_of(died, reported)}, "reason", "rejected", "", "")',
        DEAD_LETTERED.unit,
        DEAD_LETTERED,
        EVENT_FAILURES,
    )


def _kept() -> Expr:
    """Return the reasons of which all that died was kept."""
    where = {"dead_letter_strategy": "!disabled"}
    died = latest(DEAD_LETTERED, where=where, fold="sum", by=["reason"])
    # The total stands in a database: after a restart of its teller an increase would take all of
    # it for new.
    now = f"sum by (reason) ({selector(KEPT)}"
    kept = written(f"({now}) - {now} offset 6m))", KEPT.unit, KEPT)
    return written(_all_of(died, kept), DEAD_LETTERED.unit, DEAD_LETTERED, KEPT)


def _all_of(died: Expr, counted: Expr) -> str:
    return f"{died.text} <= {counted.text} * {_EXTRAPOLATED} + {_LESS_THAN_ONE}"
