# SPDX-License-Identifier: Apache-2.0
"""
The Shop: are customers ordering, do they get what they order, and does the MES learn of it?

Gauges about orders, sessions and the outbox are read from the database, so that they tell the
truth even when every process has died with its counters.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert, Recording
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries import http
from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Source, Text
from otel_setup.catalogue.promql import increase, latest, rate, selector, written
from otel_setup.catalogue.whole import Component
from services_demo.catalogue.bus import outbox_stuck

MATERIALS = ("silver", "gold", "platinum", "resin")

#: States of an order as customers see them.
STATES = (
    "placed",
    "priced",
    "pricing_failed",
    "approved",
    "claimed",
    "manufacturing",
    "cancelled",
    "rejected",
    "finished",
    "shipped",
)

#: What ordering fails with when the database does not answer; counted from 0 on.
ORDERING_ERRORS = ("OperationalError", "PoolTimeout")

#: What customers do, as the API calls it.
JOB, ORDERING, UPLOADING, EDITING = "shop-api", "/orders", "/models", "/models/{model_id}/edits"

#: A price takes seconds: an order that waits for so long is stuck.
UNPRICED_SECONDS = 300.0

#: So many models are not uploaded just to look at them.
_MANY_UPLOADS = 20

ORDERS_CREATED = Counter(
    name="shop.orders.created",
    unit="{order}",
    description=Text("Orders that customers placed.", "Заказы, оформленные клиентами."),
    why=Text(
        "The company lives on it: a drop means lost money before anybody complains.",
        "Этим компания живёт: падение — это потерянные деньги ещё до первой жалобы.",
    ),
    attributes={"material": Label(Text("what the order is made of", "материал заказа"), MATERIALS)},
    method=Method.BUSINESS,
    rows=("S6",),
)

ORDER_ERRORS = Counter(
    name="shop.order.errors",
    unit="{error}",
    description=Text(
        "Orders that a customer tried to place and did not get.",
        "Заказы, которые клиент пытался оформить и не смог.",
    ),
    why=Text(
        "Tells broken ordering from quiet hours, and whose fault it is: only ours is worth an "
        "alarm.",
        "Отличает поломку от затишья и говорит, чья вина: тревоги стоит только наша.",
    ),
    attributes={
        "error.type": Label(
            Text(
                "code of the error as the client sees it, or the class of the exception",
                "код ошибки, который видит клиент, или класс исключения",
            ),
            at_most=20,
        ),
        "fault": Label(
            Text(
                "customer: the request was wrong; shop: the Shop could not serve it",
                "customer — неверный запрос; shop — Магазин не смог его выполнить",
            ),
            ("customer", "shop"),
        ),
    },
    method=Method.GOLDEN_ERRORS,
    rows=("S3",),
)

MODEL_CPU_TIME = Counter(
    name="shop.model.cpu.time",
    unit="s",
    description=Text(
        "CPU time spent on the meshes of 3D models.",
        "Процессорное время на обработку сеток 3D-моделей.",
    ),
    why=Text(
        "Uploads and the 3D editor are what loads the Shop; this says which of them needs more "
        "processors, or a limit.",
        "Магазин нагружают загрузка файлов и 3D-редактор; видно, чему из них нужны процессоры "
        "или ограничение.",
    ),
    attributes={
        "shop.model.operation": Label(
            Text("upload, or the operation of the 3D editor", "загрузка или операция редактора"),
            ("upload", "scale", "rotate", "thicken", "smooth"),
        )
    },
    method=Method.GOLDEN_SATURATION,
    rows=("S4",),
    no_alert=Text(
        "Much mesh work is good business. What hurts is latency and a busy host, and both have "
        "alerts.",
        "Много работы с моделями — это хорошие продажи. Вредят задержки и занятый хост, а на них "
        "есть свои алерты.",
    ),
)

SHOP_ORDERS = Gauge(
    name="shop.orders",
    unit="{order}",
    description=Text("Orders in the Shop's database.", "Заказы в базе данных Магазина."),
    why=Text(
        "Every order that was placed is in exactly one state: none can vanish unseen.",
        "Каждый оформленный заказ находится ровно в одном состоянии: незаметно пропасть он не "
        "может.",
    ),
    attributes={
        "order.state": Label(
            Text("state as customers see it", "состояние, которое видит клиент"), STATES
        )
    },
    method=Method.BUSINESS,
    no_alert=Text(
        "How many orders are in a state is no fault; how long the oldest waits is, see "
        "shop.order.oldest_unpriced.age.",
        "Число заказов в состоянии — не авария; авария — сколько ждёт самый старый, это "
        "shop.order.oldest_unpriced.age.",
    ),
)

SHOP_UNPRICED_AGE = Gauge(
    name="shop.order.oldest_unpriced.age",
    unit="s",
    description=Text(
        "How long the order that waits longest has been waiting for its price; 0 if none waits.",
        "Сколько ждёт цену самый давний из заказов без цены; 0, если таких нет.",
    ),
    why=Text(
        "It sees every way in which an order gets stuck between the customer and the price: "
        "outbox, broker, pricing, or the way back.",
        "Показывает любую остановку заказа между клиентом и ценой: outbox, брокер, расчёт цены "
        "или обратный путь.",
    ),
    method=Method.BUSINESS,
)

SHOP_SESSIONS = Gauge(
    name="shop.sessions",
    unit="{session}",
    description=Text(
        "Customers' sessions that have not expired.", "Действующие сессии клиентов Магазина."
    ),
    why=Text(
        "Shows how busy the Shop is, and whether a surge is many people or one client.",
        "Показывает, насколько занят Магазин и что за всплеском: много людей или один клиент.",
    ),
    method=Method.TRAFFIC,
    rows=("S5",),
)

SHOP_OUTBOX_UNSENT = Gauge(
    name="shop.outbox.unsent",
    unit="{message}",
    description=Text(
        "Events of the Shop that the broker has not confirmed yet.",
        "События Магазина, приём которых брокер ещё не подтвердил.",
    ),
    why=Text(
        "Orders waiting here are unknown to the MES: the loss that started all this.",
        "О заказах, которые ждут здесь, MES не знает: с таких потерь всё и началось.",
    ),
    method=Method.SATURATION,
    rows=("Q1",),
    no_alert=Text(
        "A burst fills it for a moment. How long the oldest waits decides: "
        "shop.outbox.oldest_unsent.age.",
        "Всплеск заполняет его на мгновение. Важно, сколько ждёт самое старое: "
        "shop.outbox.oldest_unsent.age.",
    ),
)

SHOP_OUTBOX_AGE = Gauge(
    name="shop.outbox.oldest_unsent.age",
    unit="s",
    description=Text(
        "Age of the oldest event of the Shop that the broker has not confirmed; 0 if none.",
        "Возраст самого старого события Магазина без подтверждения брокера; 0, если таких нет.",
    ),
    why=Text(
        "Tells a short burst from a relay or broker that is down.",
        "Отличает короткий всплеск от неработающего relay или брокера.",
    ),
    method=Method.SATURATION,
    rows=("Q1",),
)

ORDERS_LAST_HOUR = Recording(
    name="shop:orders_created:increase1h",
    unit="{order}",
    description=Text("Orders of the last hour.", "Заказы за последний час."),
    why=Text(
        "Kept as a series of its own so that last week's hour can be compared: the processes that "
        "counted then are gone.",
        "Хранится отдельным рядом, чтобы сравнивать с тем же часом прошлых недель: процессов, "
        "которые считали тогда, уже нет.",
    ),
    expr=increase(ORDERS_CREATED, over="1h"),
    method=Method.BUSINESS,
    rows=("S6",),
)

_HOUR = ORDERS_LAST_HOUR.name
_WEEKS = " or ".join(
    f'label_replace({_HOUR} offset {weeks}w, "week", "{weeks}", "", "")' for weeks in range(1, 5)
)

ORDERS_EXPECTED = Recording(
    name="shop:orders_created:expected1h",
    unit="{order}",
    description=Text(
        "Orders to expect in an hour like the last one: the median of that hour of the four weeks "
        "before, of those that are known; without any, the hour of the day before.",
        "Сколько заказов ждать за такой час: медиана того же часа четырёх прошлых недель, из тех "
        "что известны; если их нет — тот же час вчера.",
    ),
    why=Text(
        "The same hour of the same weekday knows nights, weekends and lunch breaks; the median "
        "forgives one week with an outage or a sale.",
        "Тот же час того же дня недели учитывает ночи, выходные и обеды; медиана прощает одну "
        "неделю с аварией или распродажей.",
    ),
    expr=written(
        f"quantile(0.5, {_WEEKS}) or ({_HOUR} offset 1d)", ORDERS_LAST_HOUR.unit, ORDERS_LAST_HOUR
    ),
    method=Method.BUSINESS,
    rows=("S6",),
    rare=Text("It needs a day of history.", "Нужна история хотя бы за сутки."),
)

_NOW = f"({_HOUR} or vector(0))"
_EXPECTED = ORDERS_EXPECTED.name
#: Of twelve looks at the last hour, eleven found telemetry: after a gap the hour is not whole.
_KNOWN = (
    f"count_over_time((max({selector(SHOP_SESSIONS)}) or sum({selector(ORDERS_CREATED)}))[1h:5m])"
    " >= 11"
)

ORDERS_DROPPED = Alert(
    name="OrdersDropped",
    expr=written(
        f"({_NOW} < 0.5 * {_EXPECTED})"
        # Orders come by chance: their number scatters by its square root.
        f" and ({_EXPECTED} - {_NOW} > 3 * sqrt({_EXPECTED}))"
        # Telemetry that does not arrive has an alert of its own.
        f" and ({_KNOWN})",
        ORDERS_LAST_HOUR.unit,
        ORDERS_LAST_HOUR,
        ORDERS_EXPECTED,
        ORDERS_CREATED,
        SHOP_SESSIONS,
    ),
    lasts="5m",
    severity="critical",
    summary="Far fewer orders than in this hour of the weeks before.",
    description='{{ $value | printf "%.0f" }} orders in the last hour. Expected are '
    '{{ with query "shop:orders_created:expected1h" }}{{ . | first | value | printf "%.0f" }}'
    "{{ end }}.",
    meaning=Text(
        "The last hour brought less than half of what that hour of the weeks before brought, and "
        "more than chance explains (three standard deviations). Until a week is known the day "
        "before counts; in its first day, and for an hour after telemetry was missing, the alert "
        "cannot fire.",
        "За последний час меньше половины заказов того же часа прошлых недель, и случайностью "
        "(три стандартных отклонения) это не объяснить. Пока нет недельной истории, сравнивается "
        "со вчерашним днём; в первые сутки и в течение часа после пропуска телеметрии алерт "
        "сработать не может.",
    ),
    impact=Text(
        "Orders, and the money for them, are being lost right now.",
        "Прямо сейчас теряются заказы и деньги.",
    ),
    diagnosis=Text(
        "Do customers come (requests per second), can they upload models, do orders fail? If all "
        "of that is as usual, look outside: the website, payment, a campaign that ended, a "
        "holiday that was none last week.",
        "Приходят ли клиенты (запросы в секунду), загружаются ли модели, не падает ли оформление? "
        "Если здесь всё как обычно, причина снаружи: сайт, оплата, закончившаяся реклама, "
        "праздник, которого не было неделю назад.",
    ),
    queries=(
        Query(latest(ORDERS_LAST_HOUR), "last hour"),
        Query(latest(ORDERS_EXPECTED), "expected"),
        Query(
            rate(
                http.REQUEST_DURATION,
                by=["http.route", "http.response.status_code"],
                where={"job": JOB},
                over="5m",
            ),
            "{{http_route}} {{http_response_status_code}}",
        ),
    ),
    mitigation=Text(
        "Place an order yourself, step by step, and mend the step that fails. After a holiday "
        "silence the alert for a week: the median forgets it.",
        "Оформите заказ сами, шаг за шагом, и почините шаг, который не работает. После праздника "
        "заглушите алерт на неделю: медиана о нём забудет.",
    ),
    rows=("S6",),
    dashboard="shop",
    inhibited_by=("OrdersFailing", "NoOrdersWhileCustomersAreHere"),
)

_UPLOADED = increase(
    http.REQUEST_DURATION,
    where={
        "job": JOB,
        "http.route": UPLOADING,
        "http.request.method": "POST",
        "http.response.status_code": "~2..",
    },
    over="10m",
)

NO_ORDERS = Alert(
    name="NoOrdersWhileCustomersAreHere",
    expr=(_UPLOADED >= _MANY_UPLOADS).unless_on(increase(ORDERS_CREATED, over="10m") > 0),
    lasts="1m",
    severity="critical",
    summary="Customers upload models, and nobody orders.",
    description='{{ $value | printf "%.0f" }} models were uploaded in 10 minutes, and not one '
    "order was placed.",
    meaning=Text(
        "Who uploads a model wants to buy. If twenty uploads lead to no order, the way from the "
        "model to the order is broken. It needs no history, so it works from the first day.",
        "Кто загружает модель, тот хочет купить. Если за двадцатью загрузками нет ни одного "
        "заказа, сломан путь от модели к заказу. История не нужна: работает с первого дня.",
    ),
    impact=Text(
        "Every one of these customers is leaving without an order.",
        "Каждый из этих клиентов уходит без заказа.",
    ),
    diagnosis=Text(
        "Are orders refused (their number by error)? If none is even tried, the website no longer "
        "offers the button, or the step before it fails.",
        "Отклоняются ли заказы (см. ошибки по типам)? Если их даже не пробуют оформить, на сайте "
        "пропала кнопка или не работает предыдущий шаг.",
    ),
    queries=(
        Query(increase(ORDER_ERRORS, by=["error.type", "fault"], over="10m"), "{{error_type}}"),
        Query(
            rate(
                http.REQUEST_DURATION,
                by=["http.route", "http.request.method", "http.response.status_code"],
                where={"job": JOB},
                over="5m",
            ),
            "{{http_request_method}} {{http_route}} {{http_response_status_code}}",
        ),
    ),
    mitigation=Text(
        "Place an order yourself. Roll back the last change of the website or the Shop.",
        "Оформите заказ сами. Откатите последнее изменение сайта или Магазина.",
    ),
    rows=("S6",),
    dashboard="shop",
    inhibited_by=("OrdersFailing",),
)

_FAILED = increase(ORDER_ERRORS, where={"fault": "shop"}, over="5m")
_PLACED = increase(ORDERS_CREATED, over="5m")

ORDERS_FAILING = Alert(
    name="OrdersFailing",
    expr=written(
        f"({_FAILED.text} >= 3)"
        f" and ({_FAILED.text} > 0.05 * ({_FAILED.text} + ({_PLACED.text} or vector(0))))",
        _FAILED.unit,
        ORDER_ERRORS,
        ORDERS_CREATED,
    ),
    lasts="30s",
    severity="critical",
    summary="Customers try to order, and the Shop fails.",
    description='{{ $value | printf "%.0f" }} orders failed in 5 minutes by our fault, more than '
    "1 in 20.",
    meaning=Text(
        "Ordering fails for reasons that no customer can mend: the database does not answer, or "
        "the Shop has a defect.",
        "Оформление заказа не работает по причинам, с которыми клиент ничего не сделает: не "
        "отвечает база данных или в Магазине дефект.",
    ),
    impact=Text(
        "Who wanted to pay just now could not. Some do not come back.",
        "Кто хотел заплатить прямо сейчас, не смог. Часть клиентов не вернётся.",
    ),
    diagnosis=Text(
        "The type of the error names the suspect: OperationalError and PoolTimeout are the Shop's "
        "database, anything else is a defect whose trace is behind the exemplar.",
        "Подозреваемого называет тип ошибки: OperationalError и PoolTimeout — база Магазина, "
        "остальное — дефект, его трасса в exemplar.",
    ),
    queries=(
        Query(increase(ORDER_ERRORS, by=["error.type", "fault"], over="5m"), "{{error_type}}"),
        Query(increase(ORDERS_CREATED, over="5m"), "placed"),
    ),
    mitigation=Text(
        "Bring the database back, or free its connections. If a deployment came just before, roll "
        "it back first and look afterwards.",
        "Верните базу или освободите соединения. Если перед этим была выкатка — сначала откатите, "
        "потом разбирайтесь.",
    ),
    rows=("S3",),
    dashboard="shop",
    exemplars=selector(
        http.REQUEST_DURATION,
        {"job": JOB, "http.route": ORDERING, "http.response.status_code": "~5.."},
        part="bucket",
    ),
)

ORDERS_STUCK_UNPRICED = Alert(
    name="OrdersStuckUnpriced",
    expr=latest(SHOP_UNPRICED_AGE, fold="max") > UNPRICED_SECONDS,
    lasts="1m",
    severity="critical",
    summary="An order has had no price for too long.",
    description="The one that waits longest has waited for {{ $value | humanizeDuration }}.",
    meaning=Text(
        "An order was placed more than five minutes ago, and its customer knows neither a price "
        "nor why there is none. An order takes seconds.",
        "Заказ оформлен больше пяти минут назад, а клиент не знает ни цены, ни почему её нет. "
        "Обычно это секунды.",
    ),
    impact=Text(
        "That customer, and everybody after, cannot approve the order; it will not be made.",
        "Этот клиент и все следующие не могут подтвердить заказ, и его не начнут делать.",
    ),
    diagnosis=Text(
        "Follow the order: is it in the Shop's outbox, in the queue mes.orders, among the queued "
        "price calculations, in the outbox of the MES, in the queue shop.orders, or among the "
        "dead letters (`python -m services_demo.deadletters list`)?",
        "Проследите заказ: он в outbox Магазина, в очереди mes.orders, в очереди расчёта цен, "
        "в outbox MES, в очереди shop.orders или среди «мёртвых писем» "
        "(`python -m services_demo.deadletters list`)?",
    ),
    queries=(
        Query(latest(SHOP_UNPRICED_AGE, fold="max"), "oldest"),
        Query(latest(SHOP_OUTBOX_AGE, fold="max"), "oldest in the outbox"),
    ),
    mitigation=Text(
        "Mend the place where it stands. An operator can ask for the price anew "
        "(POST /price-calculations); a dead letter is replayed.",
        "Почините место, где он стоит. Оператор может запросить расчёт заново "
        "(POST /price-calculations); «мёртвое письмо» отправьте снова (replay).",
    ),
    dashboard="overview",
    inhibited_by=(
        "RabbitmqDown",
        "RabbitmqAlarm",
        "QueueHasNoConsumers",
        "QueueConsumerStuck",
        "QueueConsumerDeaf",
        "ShopOutboxStuck",
        "MesOutboxStuck",
        "PricingFails",
        "EventHandlingFails",
    ),
)

SHOP_OUTBOX_STUCK = outbox_stuck(
    "ShopOutboxStuck",
    SHOP_OUTBOX_AGE,
    Text("Shop", "Магазин"),
    Text(
        "New orders, approvals and cancellations are unknown to the MES and to sales.",
        "О новых заказах, подтверждениях и отменах не знают ни MES, ни продажи.",
    ),
)

COMPONENT = Component(
    name="shop",
    title=Text("Internet Shop", "Интернет-магазин"),
    owner="shop",
    source=Source.OURS,
    metrics=(
        ORDERS_CREATED,
        ORDER_ERRORS,
        MODEL_CPU_TIME,
        SHOP_ORDERS,
        SHOP_UNPRICED_AGE,
        SHOP_SESSIONS,
        SHOP_OUTBOX_UNSENT,
        SHOP_OUTBOX_AGE,
        ORDERS_LAST_HOUR,
        ORDERS_EXPECTED,
    ),
    alerts=(
        ORDERS_DROPPED,
        NO_ORDERS,
        ORDERS_FAILING,
        ORDERS_STUCK_UNPRICED,
        SHOP_OUTBOX_STUCK,
    ),
)
