# SPDX-License-Identifier: Apache-2.0
"""The CRM: do customers learn what happens to their orders, and soon enough?"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import (
    SECONDS_TO_AN_HOUR,
    Counter,
    Histogram,
    Label,
    Method,
    Source,
    Text,
)
from otel_setup.catalogue.promql import increase, quantile, rate, selector
from otel_setup.catalogue.whole import Component
from services_demo.catalogue.bus import EVENT_DELAY, EVENT_FAILURES
from services_demo.catalogue.mes import MES_TRANSITIONS

#: Customers are promised to be told within so many seconds.
TOLD_IN_SECONDS = 60.0

KIND = Label(
    Text("what the customer is told", "о чём сообщено клиенту"),
    ("priced", "pricing_failed", "finished", "shipped", "cancelled", "rejected"),
)

NOTIFICATIONS_SENT = Counter(
    name="crm.notifications.sent",
    unit="{notification}",
    description=Text("Notifications written to customers.", "Уведомления, отправленные клиентам."),
    why=Text(
        "A finished order without its notification is an unhappy customer.",
        "Готовый заказ без уведомления — недовольный клиент.",
    ),
    attributes={"kind": KIND},
    method=Method.BUSINESS,
    rows=("P4",),
)

NOTIFICATION_DELAY = Histogram(
    name="crm.notification.delay",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description=Text(
        "Time from what happened to an order until its customer's notification was written.",
        "Время от события с заказом до записи уведомления клиенту.",
    ),
    why=Text(
        "A notification that comes late is a call to sales, or an order that its customer cancels.",
        "Опоздавшее уведомление — это звонок в продажи или отменённый заказ.",
    ),
    attributes={"kind": KIND},
    method=Method.DURATION,
)

TOLD_LATE = Alert(
    name="CustomersToldLate",
    expr=(quantile(0.95, NOTIFICATION_DELAY, over="10m") > TOLD_IN_SECONDS).and_on(
        # And it goes on: what an outage held up is told at once when it is over.
        quantile(0.95, NOTIFICATION_DELAY, over="2m") > TOLD_IN_SECONDS
    ),
    lasts="3m",
    severity="warning",
    summary="Customers are told late what happens to their orders.",
    description="5 % of the notifications come over {{ $value | humanizeDuration }} late.",
    meaning=Text(
        "From what happens to an order until its customer is told, more than a minute passes.",
        "Между событием с заказом и уведомлением клиента проходит больше минуты.",
    ),
    impact=Text(
        "Customers call sales, or cancel what is finished already.",
        "Клиенты звонят в продажи или отменяют то, что уже готово.",
    ),
    diagnosis=Text(
        "The events of the queue crm.orders arrive late, or the CRM handles them slowly. It "
        "happens as well while it catches up for minutes after it was away.",
        "События очереди crm.orders приходят поздно или CRM обрабатывает их медленно. Так же "
        "бывает, если CRM минутами догоняет после простоя.",
    ),
    queries=(
        Query(quantile(0.95, NOTIFICATION_DELAY, by=["kind"], over="10m"), "{{kind}}"),
        Query(
            quantile(
                0.95,
                EVENT_DELAY,
                by=["event"],
                where={"messaging.destination.name": "crm.orders"},
                over="10m",
            ),
            "{{event}}",
        ),
    ),
    mitigation=Text(
        "If it catches up, wait: the queue empties by itself. Otherwise mend what makes events "
        "late, see EventsDelayed.",
        "Если CRM догоняет — подождите, очередь опустеет сама. Иначе устраните причину опоздания "
        "событий, см. EventsDelayed.",
    ),
    dashboard="overview",
    exemplars=selector(NOTIFICATION_DELAY, part="bucket"),
    inhibited_by=(
        "EventsDelayed",
        "NotificationsStopped",
        "MesOutboxStuck",
        "RabbitmqDown",
        "RabbitmqAlarm",
    ),
)

#: So many of them cannot all be repeated prices, of which nobody is told twice.
_MANY = 5

#: Changes of state of which the customer is told in any case.
_TOLD_OF = {"from": "~received|manufacturing|finished"}

NOTIFICATIONS_STOPPED = Alert(
    name="NotificationsStopped",
    expr=(increase(MES_TRANSITIONS, where=_TOLD_OF, over="5m") >= _MANY).and_on(
        # Not "unless any": a page of metrics that cannot be read is no missing notification.
        increase(NOTIFICATIONS_SENT, over="5m").equals(0)
    ),
    lasts="1m",
    severity="critical",
    summary="Orders go on, and no customer is told.",
    description='{{ $value | printf "%.0f" }} orders changed their state in 5 minutes, and not one '
    "notification was written.",
    meaning=Text(
        "The MES prices and finishes orders, and the CRM, which runs, writes nothing. If it does "
        "not run, its queue has no consumer, and that is told as QueueHasNoConsumers.",
        "MES рассчитывает и завершает заказы, а работающая CRM ничего не пишет. Если она не "
        "работает, у её очереди нет потребителя, и об этом скажет QueueHasNoConsumers.",
    ),
    impact=Text(
        "Customers do not learn that their order is priced or finished. That is how orders and "
        "money were lost before.",
        "Клиенты не узнают, что заказ рассчитан или готов. Именно так раньше терялись заказы и "
        "деньги.",
    ),
    diagnosis=Text(
        "Do messages wait in the queue crm.orders, do they fail there, or do they not even get "
        "there: is the binding of the queue to the exchange orders still in place?",
        "Ждут ли сообщения в очереди crm.orders, падают ли при обработке или вообще туда не "
        "попадают: на месте ли привязка очереди к обменнику orders?",
    ),
    queries=(
        Query(rate(NOTIFICATIONS_SENT, by=["kind"], over="5m"), "{{kind}}"),
        Query(
            increase(
                EVENT_FAILURES,
                by=["event", "error.type"],
                where={"messaging.destination.name": "crm.orders"},
                over="15m",
            ),
            "{{event}} {{error_type}}",
        ),
    ),
    mitigation=Text(
        "Restart crm-worker: it declares queue and binding anew. Events that wait are told as soon "
        "as it takes them; what never reached the queue must be sent again from the outboxes.",
        "Перезапустите crm-worker: он заново объявит очередь и привязку. О ждущих событиях клиенты "
        "узнают, как только он их возьмёт; не дошедшие до очереди нужно отправить из outbox снова.",
    ),
    dashboard="overview",
    inhibited_by=(
        "RabbitmqDown",
        "RabbitmqAlarm",
        "QueueHasNoConsumers",
        "QueueConsumerStuck",
        "QueueConsumerDeaf",
        "MesOutboxStuck",
    ),
)

COMPONENT = Component(
    name="crm",
    title=Text("CRM: telling customers", "CRM: уведомления клиентов"),
    owner="crm",
    source=Source.OURS,
    metrics=(NOTIFICATIONS_SENT, NOTIFICATION_DELAY),
    alerts=(NOTIFICATIONS_STOPPED, TOLD_LATE),
)
