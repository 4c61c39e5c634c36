# SPDX-License-Identifier: Apache-2.0
"""What Alertmanager tells about itself: what it told to whom, and what failed."""

from __future__ import annotations

from otel_setup.catalogue.model import Counter, Gauge, Histogram, Label, Method, Text

#: The job that scrapes Alertmanager.
JOB = "alertmanager"

_INTEGRATION = {
    "integration": Label(
        Text("way of telling: webhook, email and so on", "способ уведомления: webhook, email"),
        at_most=30,
    ),
}

NOTIFICATIONS = Counter(
    name="alertmanager_notifications_total",
    unit="{notification}",
    description=Text("Notifications that were sent.", "Отправленные уведомления."),
    why=Text(
        "Says how often people are disturbed; too often, and they stop reading.",
        "Показывает, как часто дёргают людей; если слишком часто, они перестают читать.",
    ),
    attributes=_INTEGRATION,
    method=Method.RATE,
    no_alert=Text("An alert about many alerts is one more.", "Это был бы ещё один алерт."),
)

FAILED = Counter(
    name="alertmanager_notifications_failed_total",
    unit="{notification}",
    description=Text(
        "Notifications that could not be sent.", "Уведомления, которые не удалось отправить."
    ),
    why=Text("The fault was seen and nobody was told.", "Поломку увидели, но никому не сказали."),
    attributes={
        **_INTEGRATION,
        "reason": Label(Text("kind of the failure", "вид ошибки"), at_most=10),
    },
    method=Method.ERRORS,
)

LATENCY = Histogram(
    name="alertmanager_notification_latency_seconds",
    unit="s",
    buckets=(1, 5, 10, 15, 20),
    description=Text(
        "How long it took to send a notification.", "Сколько длилась отправка уведомления."
    ),
    why=Text(
        "Part of the time between a fault and the person who mends it.",
        "Часть времени от поломки до человека, который её чинит.",
    ),
    attributes=_INTEGRATION,
    method=Method.LATENCY,
    no_alert=Text(
        "A receiver that is too slow fails, and that alerts.",
        "Слишком медленный получатель даёт ошибку, а о ней есть алерт.",
    ),
)

ACTIVE = Gauge(
    name="alertmanager_alerts",
    unit="{alert}",
    description=Text("Alerts that Alertmanager knows.", "Алерты, известные Alertmanager."),
    why=Text(
        "Says how many are held back: by a silence that was forgotten, or by another alert.",
        "Показывает, сколько алертов придержано: забытой заглушкой или другим алертом.",
    ),
    attributes={
        "state": Label(
            Text("told, held back, or not looked at yet", "сообщён, придержан или ещё не разобран"),
            values=("active", "suppressed", "unprocessed"),
        )
    },
    no_alert=Text("It counts alerts.", "Оно считает алерты."),
)

CONFIG_OK = Gauge(
    name="alertmanager_config_last_reload_successful",
    unit="{configuration}",
    description=Text(
        "1 if the last reading of the configuration succeeded.",
        "1, если конфигурация в последний раз прочиталась.",
    ),
    why=Text(
        "Alertmanager goes on with the old one: the new person on duty is not told.",
        "Alertmanager работает со старой: новому дежурному ничего не придёт.",
    ),
    method=Method.USE_ERRORS,
    no_panel=Text("It is 1, or it alerts.", "Там 1, иначе сработает алерт."),
)

METRICS = (NOTIFICATIONS, FAILED, LATENCY, ACTIVE, CONFIG_OK)
