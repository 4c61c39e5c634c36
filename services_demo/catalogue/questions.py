# SPDX-License-Identifier: Apache-2.0
"""
The questions that the company asks of its monitoring.

A question is served by the panels that name it in ``rows``. One that nothing serves yet says in
``missing`` what it waits for.
"""

from __future__ import annotations

from otel_setup.catalogue.boards import Question
from otel_setup.catalogue.model import Text

_QUEUES = (
    Question(
        id="Q1",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: rate",
        asks=Text("Message publish rate", "Скорость публикации сообщений"),
        answers=Text(
            "Is less published than usual, and do events wait in an outbox instead?",
            "Не публикуем ли меньше обычного и не ждут ли события в outbox?",
        ),
    ),
    Question(
        id="Q2",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: rate",
        asks=Text("Message delivery rate", "Скорость доставки сообщений"),
        answers=Text(
            "Do the consumers keep up with what is published?",
            "Успевают ли потребители за публикацией?",
        ),
    ),
    Question(
        id="Q3",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: duration",
        asks=Text(
            "Total number of messages; size of each queue",
            "Общее число сообщений; размер каждой очереди, растёт ли лаг",
        ),
        answers=Text(
            "Is a lag building up, and in which queue?", "Копится ли лаг и в какой очереди?"
        ),
    ),
    Question(
        id="Q4",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: duration",
        asks=Text(
            "Number of messages in flight in RabbitMQ",
            "Сообщения в обработке: доставлены, но не подтверждены",
        ),
        answers=Text(
            "Does a consumer hold messages without finishing them?",
            "Не держит ли потребитель сообщения, не завершая их?",
        ),
    ),
    Question(
        id="Q5",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: errors",
        asks=Text("Number of consumers of each queue", "Число потребителей каждой очереди"),
        answers=Text(
            "Has a consumer vanished, or gone deaf?", "Не пропал ли потребитель, не «оглох» ли он?"
        ),
    ),
    Question(
        id="Q6",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="USE",
        asks=Text(
            "Memory used by the RabbitMQ node; CPU and RAM",
            "Память узла RabbitMQ; утилизация CPU и RAM",
        ),
        answers=Text(
            "Will the broker raise an alarm and block whoever publishes?",
            "Не поднимет ли брокер тревогу и не заблокирует ли публикацию?",
        ),
    ),
    Question(
        id="Q7",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: duration",
        asks=Text("Processing speed of messages", "Скорость обработки сообщений"),
        answers=Text(
            "How long does one message take, apart from its wait?",
            "Сколько занимает обработка одного сообщения без учёта ожидания?",
        ),
    ),
    Question(
        id="Q8",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: errors",
        asks=Text(
            "Errors of processing messages, told at once",
            "Частота ошибок при обработке сообщений, с мгновенным оповещением",
        ),
        answers=Text(
            "Which event failed, why, and on which trace? The services count events that they "
            "know, the instrumented client counts the messages of any consumer.",
            "Какое событие не обработано, почему и в какой трассе? Сервисы считают известные им "
            "события, инструментированный клиент — сообщения любого потребителя.",
        ),
    ),
    Question(
        id="Q9",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: duration",
        asks=Text(
            "Delay between publishing and processing",
            "Задержка между публикацией и обработкой сообщений",
        ),
        answers=Text("How long do orders wait in the queue?", "Сколько заказы ждут в очереди?"),
    ),
    Question(
        id="Q10",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: errors",
        asks=Text(
            "Connection errors, dropped and active connections",
            "Ошибки подключения, обрывы и активные соединения",
        ),
        answers=Text("Is the network flapping, or the broker?", "Сбоит сеть или брокер?"),
    ),
    Question(
        id="Q11",
        system=Text("RabbitMQ", "RabbitMQ"),
        method="RED: errors",
        asks=Text(
            "Number of dead-letter-exchange letters in RabbitMQ",
            "Сообщения, попавшие в dead-letter-exchange",
        ),
        answers=Text(
            "How many died, where and why, is any of them lost, and does anybody look after the "
            "rest?",
            "Сколько «умерло», где и почему, не потеряно ли что-то и разбирает ли кто-нибудь "
            "остальное?",
        ),
    ),
)

_MES = (
    Question(
        id="M1",
        system=Text("MES API", "MES API"),
        method="RED: rate",
        asks=Text(
            "Number of requests (RPS) for MES API, and for price calculations",
            "Число запросов в секунду (RPS) к MES API, отдельно — на расчёт цены",
        ),
        answers=Text(
            "What is asked of the MES, and by which endpoint?",
            "Что запрашивают у MES и через какой маршрут?",
        ),
    ),
    Question(
        id="M2",
        system=Text("MES API", "MES API"),
        method="RED: errors",
        asks=Text(
            "Number of HTTP 200 and HTTP 500 for MES API; errors of price calculation",
            "Число ответов HTTP 200 и HTTP 500 у MES API; ошибки расчёта цены",
        ),
        answers=Text(
            "Does the MES fail, or does pricing fail behind it?",
            "Ошибается сам MES или расчёт цены за ним?",
        ),
    ),
    Question(
        id="M3",
        system=Text("MES API", "MES API"),
        method="RED: duration",
        asks=Text(
            "Response time (latency) for MES API; duration of price calculation",
            "Время ответа MES API; длительность расчёта цены: ожидание и сам расчёт",
        ),
        answers=Text(
            "Who waits, for how long, and for a process or for the computing?",
            "Кто и сколько ждёт: свободный процесс или сам расчёт?",
        ),
    ),
    Question(
        id="M4",
        system=Text("MES API", "MES API"),
        method="USE: saturation",
        asks=Text(
            "Number of tasks from price counting", "Число задач подсчёта стоимости, насыщенность"
        ),
        answers=Text("Is pricing saturated?", "Насыщен ли расчёт цен?"),
    ),
    Question(
        id="M5",
        system=Text("MES API", "MES API"),
        method="golden signal: traffic",
        asks=Text(
            "Number of simultaneous sessions for MES API", "Число одновременных сессий MES API"
        ),
        answers=Text("How many operators are at work?", "Сколько операторов работает?"),
    ),
    Question(
        id="M6",
        system=Text("MES API", "MES API"),
        method="golden signal: latency",
        asks=Text(
            "Load time of the operators' order list, and why it is slow",
            "Время загрузки списка заказов оператора и причина задержек",
        ),
        answers=Text(
            "Is it the database, the size of the page, or the pool?",
            "Виновата база данных, размер страницы или пул соединений?",
        ),
    ),
    Question(
        id="M7",
        system=Text("MES API", "MES API"),
        method="RED: errors",
        asks=Text(
            "Errors when operators set the states of orders",
            "Ошибки при проставлении статусов заказов операторами",
        ),
        answers=Text(
            "Which changes are refused, and why?", "Какие смены статуса отклоняются и почему?"
        ),
    ),
    Question(
        id="M8",
        system=Text("MES API", "MES API"),
        method="golden signal: saturation",
        asks=Text("CPU and RAM of the MES", "Загрузка CPU и RAM сервиса MES"),
        answers=Text(
            "Does the service have the resources that it needs?", "Хватает ли сервису ресурсов?"
        ),
    ),
    Question(
        id="M9",
        system=Text("MES API", "MES API"),
        method="business",
        asks=Text(
            "What happens to an order after the operator finished",
            "Что происходит с заказом после того, как оператор закончил работу",
        ),
        answers=Text(
            "Which orders are stuck, since when, and where?", "Какие заказы застряли, когда и где?"
        ),
        missing=Text(
            "Time in each state, and stuck orders by name.",
            "Время в каждом состоянии и список застрявших заказов.",
        ),
    ),
)

_SHOP = (
    Question(
        id="S1",
        system=Text("Shop API", "Shop API"),
        method="golden signal: latency",
        asks=Text(
            "Response time (latency) for Shop API: ordering, upload, 3D editor",
            "Время ответа Shop API: оформление заказа, загрузка файла, 3D-редактор",
        ),
        answers=Text("What do customers wait for?", "Чего ждут клиенты?"),
    ),
    Question(
        id="S2",
        system=Text("Shop API", "Shop API"),
        method="golden signal: traffic",
        asks=Text(
            "Number of requests (RPS) per user for Shop API; sudden surges",
            "Число запросов в секунду (RPS) на пользователя Shop API; резкий рост трафика",
        ),
        answers=Text("Who floods us?", "Кто заваливает нас запросами?"),
    ),
    Question(
        id="S3",
        system=Text("Shop API", "Shop API"),
        method="golden signal: errors",
        asks=Text(
            "Number of HTTP 200 and HTTP 500 for Shop API; error rate of ordering",
            "Число ответов HTTP 200 и HTTP 500 у Shop API; частота ошибок при создании заказов",
        ),
        answers=Text(
            "Does ordering fail, and whose fault is it?", "Падает ли оформление и чья это вина?"
        ),
    ),
    Question(
        id="S4",
        system=Text("Shop API", "Shop API"),
        method="golden signal: saturation",
        asks=Text(
            "CPU % and memory utilisation for Shop API; load of uploads and of the 3D editor",
            "CPU % и утилизация памяти Shop API; нагрузка от загрузки файлов и 3D-редактора",
        ),
        answers=Text("What loads the Shop?", "Что нагружает Магазин?"),
    ),
    Question(
        id="S5",
        system=Text("Shop API", "Shop API"),
        method="golden signal: traffic",
        asks=Text(
            "Number of simultaneous sessions for Shop API", "Число одновременных сессий Shop API"
        ),
        answers=Text("How many customers are here?", "Сколько сейчас клиентов?"),
    ),
    Question(
        id="S6",
        system=Text("Shop API", "Shop API"),
        method="business",
        asks=Text(
            "Number of orders in a period, and an alarm when it drops",
            "Количество заказов за промежуток времени и тревога при падении",
        ),
        answers=Text(
            "Do fewer orders come than usual for this hour?",
            "Не меньше ли заказов, чем обычно в этот час?",
        ),
    ),
)

_STORES = (
    Question(
        id="F1",
        system=Text("S3", "S3"),
        method="USE: utilization",
        asks=Text("Size of S3 storage", "Размер хранилища S3"),
        answers=Text("When is it full?", "Когда закончится место?"),
    ),
    Question(
        id="F2",
        system=Text("S3", "S3"),
        method="USE: utilization",
        asks=Text(
            "Speed of uploads to S3 and downloads from it",
            "Скорость загрузки файлов в S3 и скачивания из него",
        ),
        answers=Text("Is the storage what is slow?", "Хранилище ли тормозит?"),
    ),
    Question(
        id="F3",
        system=Text("S3", "S3"),
        method="USE: errors",
        asks=Text("Number of HTTP 500 for S3", "Число ответов HTTP 500 и ошибок у S3"),
        answers=Text("Do uploads or downloads fail?", "Не падают ли загрузки и скачивания?"),
    ),
    Question(
        id="F4",
        system=Text("S3", "S3"),
        method="USE: saturation",
        asks=Text("Memory utilisation for S3", "Утилизация памяти сервера S3"),
        answers=Text(
            "Does the storage server have enough?", "Хватает ли памяти серверу хранилища?"
        ),
    ),
    Question(
        id="D1",
        system=Text("Databases", "Базы данных"),
        method="RED",
        asks=Text(
            "Number of connections for Shop DB and MES DB instance; queries, errors, time, pool",
            "Число соединений с базами Shop DB и MES DB; запросы, ошибки, длительность, пул",
        ),
        answers=Text(
            "Is a slow service waiting for its database, or for a connection to it?",
            "Чего ждёт медленный сервис: базу данных или соединение с ней?",
        ),
    ),
)

_REST = (
    Question(
        id="C1",
        system=Text("CRM API", "CRM API"),
        method="USE",
        asks=Text(
            "CPU % and memory utilisation for CRM API; saturation, errors",
            "CPU % и утилизация памяти CRM API; насыщенность, ошибки",
        ),
        answers=Text("Does the CRM have the resources that it needs?", "Хватает ли CRM ресурсов?"),
    ),
    Question(
        id="N1",
        system=Text("Business", "Бизнес"),
        method="business",
        asks=Text(
            "Orders that are finished while their customer does not know",
            "Готовые заказы, о которых клиент не уведомлён",
        ),
        answers=Text(
            "Which customers were not told? That notifications stop or come late is shown.",
            "Кто из клиентов не уведомлён? Остановка и опоздание уведомлений уже показаны.",
        ),
        missing=Text(
            "An order ledger over all three databases.", "Сверка заказов по трём базам данных."
        ),
    ),
    Question(
        id="P1",
        system=Text("Platform", "Платформа"),
        method="context",
        asks=Text(
            "Prometheus, exporters, the Collector and the services are all there",
            "Prometheus, экспортеры, Collector и сервисы на месте",
        ),
        answers=Text("Is anything silent?", "Не замолчал ли кто-нибудь?"),
    ),
    Question(
        id="P2",
        system=Text("Platform", "Платформа"),
        method="context",
        asks=Text(
            "Dashboards, and alerts on errors and warnings",
            "Дашборды и сигнализация об ошибках и предупреждениях",
        ),
        answers=Text("What is wrong right now?", "Что сейчас не так?"),
    ),
    Question(
        id="P3",
        system=Text("Platform", "Платформа"),
        method="context",
        asks=Text("The monitoring itself is tested", "Мониторинг сам проверен"),
        answers=Text(
            "Does every fault fire its alert, and only that?",
            "Вызывает ли каждая авария свой алерт и только его?",
        ),
        missing=Text(
            "A staged fault for every alert.", "Инсценированная авария для каждого алерта."
        ),
    ),
    Question(
        id="P4",
        system=Text("Platform", "Платформа"),
        method="context",
        asks=Text(
            "Both ways out: OTLP push, and a direct /metrics",
            "Оба пути: отправка по OTLP и собственный /metrics",
        ),
        answers=Text("Do both ways deliver?", "Работают ли оба пути?"),
    ),
)

QUESTIONS = (*_QUEUES, *_MES, *_SHOP, *_STORES, *_REST)
