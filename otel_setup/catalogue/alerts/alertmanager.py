# SPDX-License-Identifier: Apache-2.0
"""Alerts about Alertmanager: it is down, or cannot tell anybody."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, latest, rate
from otel_setup.catalogue.scraped.alertmanager import (
    ACTIVE,
    CONFIG_OK,
    FAILED,
    JOB,
    NOTIFICATIONS,
)
from otel_setup.catalogue.scraped.targets import NO_ANSWER, UP, down

_WAY = ["integration", "reason"]

DOWN = Alert(
    name="AlertmanagerDown",
    expr=down(JOB),
    lasts="30s",
    severity="critical",
    summary="Alertmanager does not answer.",
    description=f"Alertmanager is away for 30 seconds: {NO_ANSWER}",
    meaning=Text(
        "Alertmanager has not answered for 30 seconds. With one Alertmanager this alert cannot "
        "be sent either: it is seen in Prometheus, and by who misses the heartbeat.",
        "Alertmanager не отвечает уже 30 секунд. Если он один, и этот алерт не отправить: его "
        "видно в Prometheus, и его заметит тот, к кому перестало приходить сердцебиение.",
    ),
    impact=Text("Nobody is told of anything.", "Никому ни о чём не сообщают."),
    diagnosis=Text(
        "Does the process run? Its log says why it ended; `amtool check-config` says whether it "
        "can read its configuration.",
        "Работает ли процесс? Почему он завершился, сказано в журнале; `amtool check-config` "
        "проверит конфигурацию.",
    ),
    queries=(Query(latest(UP, where={"job": JOB}), "{{instance}}"),),
    mitigation=Text(
        "Start it. Prometheus sends everything that still fires again.",
        "Запустите его. Prometheus отправит всё, что ещё горит, заново.",
    ),
    dashboard="telemetry",
)

CANNOT_NOTIFY = Alert(
    name="AlertmanagerCannotNotify",
    expr=increase(FAILED, by=_WAY, over="5m") > 0,
    lasts="1m",
    severity="critical",
    summary="Notifications by {{ $labels.integration }} fail.",
    description='Not sent in the last 5 minutes: {{ printf "%.0f" $value }} '
    "({{ $labels.reason }}).",
    meaning=Text(
        "Alertmanager could not send a notification, also not when it tried again.",
        "Alertmanager не смог отправить уведомление, и повторы не помогли.",
    ),
    impact=Text(
        "Somebody who should know of a fault does not.", "Кто-то не узнал о поломке, хотя должен."
    ),
    diagnosis=Text(
        "clientError: the receiver refuses it, mostly a wrong token or address. serverError or "
        "contextDeadlineExceeded: it is down or too slow. Alertmanager's log has the answer.",
        "clientError: получатель отказывает, чаще всего неверный токен или адрес. serverError "
        "или contextDeadlineExceeded: он не работает или медлит. Ответ есть в журнале "
        "Alertmanager.",
    ),
    queries=(
        Query(increase(FAILED, by=_WAY, over="5m") > 0, "{{integration}} {{reason}}"),
        Query(rate(NOTIFICATIONS, by=["integration"], over="5m") > 0, "{{integration}}"),
        Query(latest(ACTIVE), "{{state}}"),
    ),
    mitigation=Text(
        "Bring the receiver back or mend its settings; what still fires is sent again. Tell the "
        "people on duty by hand meanwhile.",
        "Верните получателя или исправьте его настройки; то, что ещё горит, уйдёт снова. Пока "
        "что предупредите дежурных сами.",
    ),
    dashboard="telemetry",
    inhibited_by=("AlertmanagerDown",),
)

CONFIG_REJECTED = Alert(
    name="AlertmanagerConfigRejected",
    expr=latest(CONFIG_OK).equals(0),
    lasts="1m",
    severity="warning",
    summary="Alertmanager cannot read its new configuration.",
    description="The last reload failed (successful: {{ $value }}); the old configuration stays in "
    "force.",
    meaning=Text(
        "A changed configuration has an error; Alertmanager goes on with the old one.",
        "В изменённой конфигурации ошибка; Alertmanager работает со старой.",
    ),
    impact=Text(
        "New receivers and routes are not in force, and after its next restart Alertmanager will "
        "not start.",
        "Новые получатели и маршруты не действуют, а после следующего перезапуска Alertmanager не "
        "запустится.",
    ),
    diagnosis=Text(
        "`amtool check-config alertmanager.yml` names the error.",
        "`amtool check-config alertmanager.yml` назовёт ошибку.",
    ),
    queries=(Query(latest(CONFIG_OK), "{{instance}}"),),
    mitigation=Text(
        "Mend the file and reload, or take back the change.",
        "Исправьте файл и перечитайте конфигурацию или отмените изменение.",
    ),
    dashboard="telemetry",
    inhibited_by=("AlertmanagerDown",),
)

ALERTS = (DOWN, CANNOT_NOTIFY, CONFIG_REJECTED)
