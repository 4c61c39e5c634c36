# SPDX-License-Identifier: Apache-2.0
"""
What the company promises its customers, as shares of good events over 30 days.

Each promise is measured where it is felt: at the Shop's door, at the price, at the effect of an
event, at the notification.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Slo
from otel_setup.catalogue.entries import http
from otel_setup.catalogue.model import Histogram, Text
from otel_setup.catalogue.promql import Expr, increase, within
from services_demo.catalogue import bus, crm, mes, shop

_ORDERING = {"job": shop.JOB, "http.route": shop.ORDERING, "http.request.method": "POST"}
_OUR_FAULT = {**_ORDERING, "http.response.status_code": "~5.."}


def _late(metric: Histogram, promised: float) -> Expr:
    return increase(metric) - within(metric, promised)


ORDERING = Slo(
    name="ordering",
    objective=0.995,
    promise=Text(
        "99.5 % of all attempts to order do not fail by our fault.",
        "99,5 % попыток оформить заказ не срываются по нашей вине.",
    ),
    why=Text(
        "An order that fails is a sale that is lost. What customers type wrongly does not count.",
        "Сорванный заказ — потерянная продажа. Ошибки самих клиентов не считаются.",
    ),
    bad=increase(http.REQUEST_DURATION, where=_OUR_FAULT),
    total=increase(http.REQUEST_DURATION, where=_ORDERING),
    owner="shop",
    at_least=3,
    rows=("S3",),
)

PRICING = Slo(
    name="pricing",
    objective=0.99,
    promise=Text(
        "99 % of all orders have a price, or the reason why there is none, within a minute.",
        "99 % заказов получают цену или причину её отсутствия в течение минуты.",
    ),
    why=Text(
        "Customers wait for the price before the page. After a minute they go.",
        "Клиент ждёт цену, не закрывая страницу. Через минуту он уходит.",
    ),
    bad=_late(mes.ORDER_PRICING_DURATION, mes.PRICED_IN_SECONDS),
    total=increase(mes.ORDER_PRICING_DURATION),
    owner="mes",
    at_least=5,
    rows=("M3",),
)

EVENTS = Slo(
    name="events",
    objective=0.99,
    promise=Text(
        "99 % of all events between the services are handled within half a minute.",
        "99 % событий между сервисами обработаны в течение полуминуты.",
    ),
    why=Text(
        "While an event travels, the services disagree about the order.",
        "Пока событие в пути, сервисы по-разному видят один и тот же заказ.",
    ),
    # Not of the time in the queue (messaging.rabbitmq.queue.duration): an event that its sender
    # keeps, or its receiver does not get done, is as late for the customer as one that queues.
    bad=_late(bus.EVENT_DELAY, bus.IN_TIME_SECONDS),
    total=increase(bus.EVENT_DELAY),
    owner="platform",
    at_least=10,
    rows=("Q9",),
)

TELLING = Slo(
    name="telling",
    objective=0.99,
    promise=Text(
        "99 % of all notifications are written within a minute of what they tell.",
        "99 % уведомлений отправлены в течение минуты после события.",
    ),
    why=Text(
        "Customers who are not told call, or cancel what is finished.",
        "Клиент, которого не уведомили, звонит или отменяет готовый заказ.",
    ),
    bad=_late(crm.NOTIFICATION_DELAY, crm.TOLD_IN_SECONDS),
    total=increase(crm.NOTIFICATION_DELAY),
    owner="crm",
    at_least=5,
)

SLOS = (ORDERING, PRICING, EVENTS, TELLING)
