# SPDX-License-Identifier: Apache-2.0
"""
The MES: do orders get their price in time, and do operators get on with them?

Gauges about orders, tasks and sessions are read from the database: they are right across
several workers, and after a crash.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries import http
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import (
    SECONDS_TO_AN_HOUR,
    Counter,
    Gauge,
    Histogram,
    Label,
    Method,
    Source,
    Text,
)
from otel_setup.catalogue.promql import increase, latest, quantile, rate, selector, written
from otel_setup.catalogue.whole import Component
from services_demo.catalogue.bus import outbox_stuck

#: States of an order in manufacturing.
STATES = (
    "received",
    "priced",
    "price_failed",
    "approved",
    "claimed",
    "manufacturing",
    "finished",
    "shipped",
    "cancelled",
    "rejected",
)

JOB, ORDER_LIST = "mes-api", "/operator/orders"

#: How a price calculation is known to fail; counted from 0 on.
PRICING_ERRORS = ("CannotPrice", "ModelUnavailable", "ProcessDied")

#: Customers are promised their price within so many seconds.
PRICED_IN_SECONDS = 60.0

_FROM = Label(Text("state before", "состояние до"), STATES)
_TO = Label(Text("state after, or the one asked for", "состояние после или запрошенное"), STATES)

PRICE_DURATION = Histogram(
    name="mes.price_calculation.duration",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description=Text(
        "Time that a price calculation waited for a free process, and computed.",
        "Сколько расчёт цены ждал свободный процесс и сколько считался.",
    ),
    why=Text(
        "Customers and operators wait for the price. Waiting asks for more processes, computing "
        "for simpler models.",
        "Цену ждут клиенты и операторы. Долго ждёт — добавьте процессы, долго считает — упрощайте "
        "модели.",
    ),
    attributes={
        "phase": Label(
            Text("waiting for a process, or computing in one", "ожидание процесса или сам расчёт"),
            ("waiting", "computing"),
        )
    },
    method=Method.DURATION,
    rows=("M3",),
    no_alert=Text(
        "mes.order.pricing.duration is what the customer feels, and has the alert. This one says "
        "why.",
        "Клиент чувствует mes.order.pricing.duration, и алерт — на неё. Эта метрика объясняет "
        "причину.",
    ),
)

ORDER_PRICING_DURATION = Histogram(
    name="mes.order.pricing.duration",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description=Text(
        "Time from the moment a customer placed an order until its first price, or the reason why "
        "there is none, was written.",
        "Время от оформления заказа до записи первой цены или причины, по которой её нет.",
    ),
    why=Text(
        "It is the wait that the customer feels, with queue, retries and computing in it: the "
        "promise of a price is measured by it.",
        "Это ожидание, которое чувствует клиент: очередь, повторы и расчёт вместе. По нему "
        "проверяется обещание цены.",
    ),
    attributes={
        "outcome": Label(
            Text("priced, or failed for good", "цена есть или расчёт окончательно не удался"),
            ("priced", "failed"),
        )
    },
    method=Method.DURATION,
    rows=("M3",),
)

PRICE_CALCULATIONS = Counter(
    name="mes.price_calculations",
    unit="{calculation}",
    description=Text("Price calculations that ended.", "Завершившиеся расчёты цены."),
    why=Text(
        "An order without a price stops here; the error type says where to look.",
        "Заказ без цены останавливается здесь; тип ошибки говорит, где искать.",
    ),
    attributes={
        "outcome": Label(Text("how it ended", "чем закончился"), ("ok", "error")),
        "error.type": Label(
            Text(
                "CannotPrice: the model has no price, its customer is told; ModelUnavailable: the "
                "storage does not answer; ProcessDied; or the class of another exception. Absent "
                "when ok",
                "CannotPrice — у модели не может быть цены, клиенту об этом сказано; "
                "ModelUnavailable — не отвечает хранилище; ProcessDied — умер процесс; иначе класс "
                "исключения. При успехе отсутствует",
            ),
            at_most=10,
        ),
    },
    method=Method.ERRORS,
    rows=("M1", "M2"),
)

PRICE_TASKS = Gauge(
    name="mes.price_calculation.tasks",
    unit="{task}",
    description=Text(
        "Price calculations that wait or are being computed.",
        "Расчёты цены, которые ждут или выполняются.",
    ),
    why=Text(
        "A growing queue means that pricing is saturated: start more processes.",
        "Растущая очередь — признак насыщения: добавьте процессы расчёта.",
    ),
    attributes={
        "state": Label(Text("waits or is computed", "ждёт или считается"), ("queued", "running"))
    },
    method=Method.SATURATION,
    rows=("M4",),
)

PRICE_CAPACITY = Gauge(
    name="mes.price_calculation.capacity",
    unit="{process}",
    description=Text("Processes that compute prices.", "Процессы, которые считают цены."),
    why=Text(
        "Running tasks divided by this is how busy pricing is.",
        "Выполняемые задачи, делённые на это число, — загрузка расчёта цен.",
    ),
    method=Method.SATURATION,
    rows=("M4",),
)

MES_TRANSITIONS = Counter(
    name="mes.order.transitions",
    unit="{transition}",
    description=Text("Changes of an order's state in the MES.", "Смены состояния заказа в MES."),
    why=Text(
        "Shows the flow through manufacturing and where it stops.",
        "Показывает движение заказов по производству и место, где оно останавливается.",
    ),
    attributes={"from": _FROM, "to": _TO},
    method=Method.BUSINESS,
    rows=("M7",),
)

MES_TRANSITION_ERRORS = Counter(
    name="mes.order.transition.errors",
    unit="{error}",
    description=Text(
        "Changes of an order's state that operators asked for and did not get.",
        "Смены состояния, которые операторы запросили и не получили.",
    ),
    why=Text(
        "Operators who fail to set a status leave orders hanging; the reason says whether they "
        "are in each other's way or the list that they see is old.",
        "Если оператор не может поставить статус, заказ повисает; причина покажет, мешают ли "
        "операторы друг другу или видят устаревший список.",
    ),
    attributes={
        "from": _FROM,
        "to": _TO,
        "reason": Label(
            Text("why it was refused", "почему отказано"),
            ("illegal_transition", "claimed_by_another"),
        ),
    },
    method=Method.ERRORS,
    rows=("M7",),
    rare=Text("Operators may make no mistake for days.", "Операторы могут не ошибаться днями."),
)

MES_ORDERS = Gauge(
    name="mes.orders",
    unit="{order}",
    description=Text("Orders in the database of the MES.", "Заказы в базе данных MES."),
    why=Text(
        "Compared with the Shop's it shows orders that never arrived, and where the others are.",
        "В сравнении с заказами Магазина видно, какие не дошли и где остальные.",
    ),
    attributes={
        "order.state": Label(Text("state in manufacturing", "состояние в производстве"), STATES)
    },
    method=Method.BUSINESS,
    no_alert=Text(
        "How many orders are in a state depends on the season; no number of them is a fault.",
        "Сколько заказов в каждом состоянии, зависит от сезона; само число — не авария.",
    ),
)

MES_SESSIONS = Gauge(
    name="mes.sessions",
    unit="{session}",
    description=Text(
        "Operators' sessions that have not expired.", "Действующие сессии операторов MES."
    ),
    why=Text(
        "No operators means that nothing is made, and that a quiet MES is no fault.",
        "Нет операторов — ничего не производится, и тишина в MES тогда не авария.",
    ),
    method=Method.TRAFFIC,
    rows=("M5",),
    no_alert=Text("Nobody works at night.", "Ночью никто не работает."),
)

MES_OUTBOX_UNSENT = Gauge(
    name="mes.outbox.unsent",
    unit="{message}",
    description=Text(
        "Events of the MES that the broker has not confirmed yet.",
        "События MES, приём которых брокер ещё не подтвердил.",
    ),
    why=Text(
        "Prices and finished orders waiting here are unknown to the customer.",
        "О ценах и готовых заказах, которые ждут здесь, клиент не знает.",
    ),
    method=Method.SATURATION,
    rows=("Q1",),
    no_alert=Text(
        "A burst fills it for a moment. How long the oldest waits decides: "
        "mes.outbox.oldest_unsent.age.",
        "Всплеск заполняет его на мгновение. Важно, сколько ждёт самое старое: "
        "mes.outbox.oldest_unsent.age.",
    ),
)

MES_OUTBOX_AGE = Gauge(
    name="mes.outbox.oldest_unsent.age",
    unit="s",
    description=Text(
        "Age of the oldest event of the MES that the broker has not confirmed; 0 if none.",
        "Возраст самого старого события MES без подтверждения брокера; 0, если таких нет.",
    ),
    why=Text(
        "Tells a short burst from a relay or broker that is down.",
        "Отличает короткий всплеск от неработающего relay или брокера.",
    ),
    method=Method.SATURATION,
    rows=("Q1",),
)

#: Fewer failures pass by themselves: calculations are tried again.
_MANY = 3

#: What prices fail with by our fault: a model without a price is the customer's.
_OURS = {"outcome": "error", "error.type": "!CannotPrice"}

PRICING_FAILS = Alert(
    name="PricingFails",
    expr=increase(PRICE_CALCULATIONS, by=["error.type"], where=_OURS, over="5m") >= _MANY,
    lasts="30s",
    severity="critical",
    summary="Price calculations fail with {{ $labels.error_type }}.",
    description='{{ $value | printf "%.0f" }} calculations failed in 5 minutes.',
    meaning=Text(
        "Prices cannot be calculated, and not because of the model. ModelUnavailable and deaths "
        "of the process are tried again; anything else ends the calculation.",
        "Цены не рассчитываются, и дело не в моделях. При ModelUnavailable и смерти процесса "
        "расчёт повторяется, при остальных ошибках — заканчивается.",
    ),
    impact=Text(
        "Customers get no price, or are told that there is none; nothing new is made.",
        "Клиенты не получают цену или получают отказ; новые заказы не идут в производство.",
    ),
    diagnosis=Text(
        "ModelUnavailable: does the S3 storage answer? The Shop's uploads fail then as well. "
        "ProcessDied: was it killed for its memory? Others: the trace behind the exemplar.",
        "ModelUnavailable — отвечает ли хранилище S3? Тогда не работают и загрузки в Магазине. "
        "ProcessDied — не убит ли процесс за память? Остальное — трасса из exemplar.",
    ),
    queries=(
        Query(increase(PRICE_CALCULATIONS, by=["outcome", "error.type"], over="5m"), "{{outcome}}"),
        Query(latest(PRICE_TASKS, by=["state"], fold="max"), "{{state}}"),
    ),
    mitigation=Text(
        "Bring the storage back: waiting calculations go on by themselves. For a model that kills "
        "its process, cancel the order and ask the customer for a simpler one.",
        "Верните хранилище: расчёты продолжатся сами. Если процесс убивает конкретная модель, "
        "отмените заказ и попросите клиента упростить её.",
    ),
    rows=("M2",),
    dashboard="mes",
    exemplars=selector(PRICE_CALCULATIONS, {"error.type": "{{ $labels.error_type }}"}),
)

_BUSY = (
    f"max(avg_over_time({selector(PRICE_TASKS, {'state': 'running'})}[5m]))"
    f" / {alive(PRICE_CAPACITY).text}"
)
_WAITING = f"max(min_over_time({selector(PRICE_TASKS, {'state': 'queued'})}[5m]))"

PRICING_SATURATED = Alert(
    name="PricingSaturated",
    expr=written(f"({_BUSY} > 0.9) and ({_WAITING} > 0)", "1", PRICE_TASKS, PRICE_CAPACITY),
    lasts="1m",
    severity="warning",
    summary="All pricing processes are busy, and calculations wait.",
    description="{{ $value | humanizePercentage }} of the processes were busy for 5 minutes, and "
    "the queue was never empty.",
    meaning=Text(
        "More prices are asked for than can be computed. The queue grows as long as that lasts.",
        "Цен запрашивают больше, чем успевает рассчитать MES. Пока это так, очередь растёт.",
    ),
    impact=Text(
        "Every new order waits longer for its price than the one before.",
        "Каждый следующий заказ ждёт цену дольше предыдущего.",
    ),
    diagnosis=Text(
        "More orders than usual, or larger models? Compare the rate of calculations with the time "
        "that computing takes.",
        "Стало больше заказов или крупнее модели? Сравните число расчётов со временем расчёта.",
    ),
    queries=(
        Query(rate(PRICE_CALCULATIONS, over="5m"), "calculations"),
        Query(
            quantile(0.95, PRICE_DURATION, by=["phase"], over="5m"),
            "{{phase}}",
        ),
    ),
    mitigation=Text(
        "Start the worker with more processes (MES_PRICING_PROCESSES), as many as there are free "
        "processors, or a second worker on another host.",
        "Запустите воркер с большим числом процессов (MES_PRICING_PROCESSES), по числу свободных "
        "ядер, или второй воркер на другом хосте.",
    ),
    rows=("M4",),
    dashboard="mes",
)

PRICING_SLOW = Alert(
    name="PricingSlow",
    expr=(quantile(0.95, ORDER_PRICING_DURATION, over="10m") > PRICED_IN_SECONDS).and_on(
        # And it goes on: what an outage held up is priced at once when it is over.
        quantile(0.95, ORDER_PRICING_DURATION, over="2m") > PRICED_IN_SECONDS
    ),
    lasts="3m",
    severity="warning",
    summary="Customers wait long for their price.",
    description="5 % of the orders wait over {{ $value | humanizeDuration }} for their price.",
    meaning=Text(
        "From placing an order to its price, more than a minute passes.",
        "От оформления заказа до цены проходит больше минуты.",
    ),
    impact=Text(
        "Who has to wait for a price looks elsewhere.",
        "Кто долго ждёт цену, уходит к другим.",
    ),
    diagnosis=Text(
        "Does the event arrive late (delay of the queue mes.orders), does the calculation wait "
        "for a process, or does it compute long? The panels of the MES show the three apart.",
        "Опаздывает событие (задержка очереди mes.orders), расчёт ждёт процесс или долго "
        "считается? На панелях MES эти три причины видны отдельно.",
    ),
    queries=(
        Query(quantile(0.95, ORDER_PRICING_DURATION, over="10m"), "placed to priced"),
        Query(
            quantile(0.95, PRICE_DURATION, by=["phase"], over="10m"),
            "{{phase}}",
        ),
    ),
    mitigation=Text(
        "Waiting: more processes. Computing: look for one large model, and limit the size of "
        "uploads. Late events: see EventsDelayed.",
        "Ждёт — добавьте процессы. Долго считается — найдите большую модель и ограничьте размер "
        "загрузок. Опаздывают события — см. EventsDelayed.",
    ),
    rows=("M3",),
    dashboard="mes",
    exemplars=selector(ORDER_PRICING_DURATION, part="bucket"),
    inhibited_by=(
        "PricingSaturated",
        "PricingFails",
        "EventsDelayed",
        "ShopOutboxStuck",
        "RabbitmqDown",
        "RabbitmqAlarm",
    ),
)

_REFUSED = increase(MES_TRANSITION_ERRORS, over="15m")
_CHANGED = increase(
    MES_TRANSITIONS, where={"from": "~approved|claimed|manufacturing|finished"}, over="15m"
)

STATUS_CHANGES_REFUSED = Alert(
    name="StatusChangesRefused",
    expr=written(
        f"({_REFUSED.text} >= 10) and ({_REFUSED.text} > ({_CHANGED.text} or vector(0)))",
        _REFUSED.unit,
        MES_TRANSITION_ERRORS,
        MES_TRANSITIONS,
    ),
    lasts="1m",
    severity="warning",
    summary="Operators cannot set the states of orders.",
    description='{{ $value | printf "%.0f" }} changes were refused in 15 minutes, more than were '
    "made.",
    meaning=Text(
        "More changes of state are refused than made. Some refusals are normal: two operators "
        "reach for the same order.",
        "Смен статуса отклоняется больше, чем проходит. Отдельные отказы нормальны: два оператора "
        "тянутся к одному заказу.",
    ),
    impact=Text(
        "Orders hang in a state that is not theirs, and customers are not told.",
        "Заказы висят не в том статусе, клиенты не получают уведомлений.",
    ),
    diagnosis=Text(
        "By reason: claimed_by_another means that operators see a list that is too old or too "
        "short; illegal_transition that their page offers steps that do not exist, or that "
        "approvals do not arrive.",
        "По причине: claimed_by_another — операторы видят устаревший или слишком короткий список; "
        "illegal_transition — страница предлагает шаги, которых нет, или не доходят подтверждения "
        "клиентов.",
    ),
    queries=(
        Query(
            increase(MES_TRANSITION_ERRORS, by=["from", "to", "reason"], over="15m"),
            "{{from}} → {{to}} {{reason}}",
        ),
        Query(
            quantile(
                0.95, http.REQUEST_DURATION, where={"job": JOB, "http.route": ORDER_LIST}, over="5m"
            ),
            "order list",
        ),
    ),
    mitigation=Text(
        "Ask an operator to show what they do. Roll back the page or the MES if it changed; "
        "otherwise divide the list among the operators.",
        "Попросите оператора показать, что он делает. Если менялась страница или MES — откатите; "
        "если нет — поделите список между операторами.",
    ),
    rows=("M7",),
    dashboard="mes",
)

MES_OUTBOX_STUCK = outbox_stuck(
    "MesOutboxStuck",
    MES_OUTBOX_AGE,
    Text("MES", "MES"),
    Text(
        "Customers do not learn of prices, nor that their orders are finished.",
        "Клиенты не узнают ни цену, ни что заказ готов.",
    ),
)

COMPONENT = Component(
    name="mes",
    title=Text("MES: prices and manufacturing", "MES: цены и производство"),
    owner="mes",
    source=Source.OURS,
    metrics=(
        PRICE_DURATION,
        ORDER_PRICING_DURATION,
        PRICE_CALCULATIONS,
        PRICE_TASKS,
        PRICE_CAPACITY,
        MES_TRANSITIONS,
        MES_TRANSITION_ERRORS,
        MES_ORDERS,
        MES_SESSIONS,
        MES_OUTBOX_UNSENT,
        MES_OUTBOX_AGE,
    ),
    alerts=(
        PRICING_FAILS,
        PRICING_SATURATED,
        PRICING_SLOW,
        STATUS_CHANGES_REFUSED,
        MES_OUTBOX_STUCK,
    ),
)
