# SPDX-License-Identifier: Apache-2.0
"""
The languages of generated documents, and their fixed words.

What the catalogue says carries its own translation (`otel_setup.catalogue.model.Text`). What a
page adds to it - headings, heads of tables, kinds, methods - stands here, once for each language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from otel_setup.catalogue.model import Text


@dataclass(frozen=True, slots=True)
class Language:
    """
    One language: its folder below the documents, and its fixed words by the English ones.

    ``other`` is how it calls the other language, in the other language.
    """

    code: str
    folder: str
    other: str
    words: Mapping[str, str] | None = field(default=None, hash=False)

    def fixed(self, english: str) -> str:
        """
        Return the fixed words *english* in this language.

        Raises:
            KeyError: they have no translation here; add one.
        """
        return english if self.words is None else self.words[english]

    def of(self, text: str) -> str:
        """Return a text of the catalogue in this language, in English if it has no other."""
        if self.words is None:
            return str(text)
        if isinstance(text, Text) and text.ru:
            return text.ru
        # Methods are often named as the fixed ones are.
        return self.words.get(text, str(text))


_RUSSIAN = {
    # Titles and what stands below them.
    "Metrics": "Метрики",
    "Alerts": "Алерты",
    "Dashboards": "Дашборды",
    "{title}: metrics": "{title}: метрики",
    "{title}: alerts": "{title}: алерты",
    "{title}: dashboards": "{title}: дашборды",
    "{dashboards} dashboards, {panels} panels.": "Дашбордов: {dashboards}, панелей: {panels}.",
    "The pictures show minutes of ordinary work; `otel-setup pictures` draws them.": (
        "На снимках несколько минут обычной работы; их рисует `otel-setup pictures`."
    ),
    (
        "{metrics} metrics, {why} of them with a reason; {labels} labels, {meant} of them with a "
        "meaning and a bound; {questions} questions, {served} of them served by a panel."
    ): (
        "Метрик: {metrics}, с обоснованием: {why}. Ярлыков: {labels}, с описанием и пределом: "
        "{meant}. Вопросов: {questions}, на панелях есть ответ: {served}."
    ),
    "{alerts} alerts: {critical} critical, {warning} warning, {info} info.": (
        "Алертов: {alerts}, из них critical: {critical}, warning: {warning}, info: {info}."
    ),
    "Contents": "Содержание",
    "Questions": "Вопросы",
    "Open questions": "Открытые вопросы",
    "Every question has a panel.": "На каждый вопрос отвечает какая-нибудь панель.",
    "Labels of every series": "Общие ярлыки",
    "Any series may have these; an entry lists only its own.": (
        "Эти ярлыки могут быть у любого ряда; в описании метрики указаны только её собственные."
    ),
    # Heads of tables.
    "id": "№",
    "method": "метод",
    "what is asked": "что спрашивают",
    "why": "зачем",
    "metrics": "метрики",
    "labels": "ярлыки",
    "where to see": "где смотреть",
    "metric": "метрика",
    "panel": "панель",
    "answers": "отвечает на",
    "kind": "вид",
    "unit": "единица",
    "what it is": "что это",
    "label": "ярлык",
    "meaning": "смысл",
    "alert": "алерт",
    "severity": "важность",
    "team": "команда",
    "holds for": "выдержка",
    "says": "о чём",
    # Lines of an entry.
    "Owner": "Владелец",
    "Source": "Источник",
    "Scraped by job": "Собирается заданием опроса",
    "Pushed through the Collector": "Отправляется через Collector",
    "Why": "Зачем",
    "Labels": "Ярлыки",
    "none of its own": "собственных нет",
    "one of": "одно из",
    "at most {bound} values": "не более {bound} значений",
    "Kind": "Вид",
    "{kind}, unit {unit}": "{kind}, единица {unit}",
    "In code": "В коде",
    "Series": "Ряды",
    "Buckets": "Границы интервалов",
    "Recorded from": "Вычисляется как",
    "Method": "Метод",
    "Panels": "Панели",
    "none:": "нет:",
    "May be absent": "Может отсутствовать",
    "**Open.** Missing: {missing}": "**Открыт.** Не хватает: {missing}",
    # Alerts.
    "Overview": "Обзор",
    "Who is told": "Кто узнаёт",
    (
        "`critical` gets the person on duty out of bed, `warning` is for working hours, `info` is "
        "for machines and tells no one. The label `team` names the team that answers."
    ): (
        "`critical` поднимает дежурного в любое время, `warning` рассчитан на рабочие часы, "
        "`info` нужен программам, людям о нём не сообщают. Ярлык `team` называет ответственную "
        "команду."
    ),
    (
        "An alert below is held back while one that explains it is firing and the labels named "
        "are equal: the cause calls, its consequences stay silent."
    ): (
        "Алерт из таблицы молчит, пока активен другой, который его объясняет, и названные ярлыки "
        "у них совпадают: зовёт причина, а не её последствия."
    ),
    "held back by": "подавляется",
    "equal labels": "при равных ярлыках",
    "none": "нет",
    "Meaning": "Что произошло",
    "Impact": "На что влияет",
    "Diagnosis": "Диагностика",
    "Mitigation": "Что делать",
    "Rule": "Правило",
    "Notification": "Уведомление",
    "at once": "сразу",
    "Fires at once": "Срабатывает сразу",
    "Fires when it holds for {lasts}": "Срабатывает, если условие держится {lasts}",
    ", and goes on for {keep} after it ends": " и остаётся ещё {keep}, когда оно прошло",
    "Dashboard": "Дашборд",
    "Traces": "Трассы",
    "exemplars of": "примеры (exemplars) ряда",
    "Held back by": "Подавляется",
    "on equal": "при равных",
    "Reads": "Читает",
    "Answers": "Отвечает на",
    "by {label}": "по {label}",
    # Objectives.
    "Objectives": "Цели (SLO)",
    (
        "A promise is kept as a share of good events over 30 days. The budget is what may go "
        "wrong in that time: minutes of a total outage, or bad events of a million."
    ): (
        "Обещание — это доля хороших событий за 30 дней. Бюджет показывает, сколько за это время "
        "может пойти не так: минут полного отказа или плохих событий на миллион."
    ),
    "objective": "цель",
    "promise": "обещание",
    "share": "доля",
    "minutes": "минут",
    "of a million": "на миллион",
    "bad events": "плохие события",
    "all events": "все события",
    (
        "An alert fires when the budget is spent so many times faster than allowed in both "
        "windows, and the long one has as many bad events as the objective asks for."
    ): (
        "Алерт срабатывает, если в обоих окнах бюджет тратится во столько раз быстрее "
        "дозволенного, а в длинном набралось столько плохих событий, сколько требует цель."
    ),
    "long window": "длинное окно",
    "short window": "короткое окно",
    "times too fast": "во сколько раз быстрее",
    "bad events at least": "плохих событий не меньше",
    # Kinds.
    "counter": "счётчик",
    "up-down counter": "реверсивный счётчик",
    "gauge": "измеритель",
    "histogram": "гистограмма",
    "recorded": "вычисленная правилом",
    # Sources.
    "own code": "собственный код",
    "own code, name of the semantic conventions": "собственный код, имя по соглашениям OTel",
    "RabbitMQ's Prometheus plugin": "плагин Prometheus в RabbitMQ",
    "a receiver of the Collector": "приёмник Collector",
    "a program that Prometheus scrapes": "программа, которую опрашивает Prometheus",
    "a rule of Prometheus": "правило Prometheus",
    # Methods.
    "RED: rate": "RED: частота",
    "RED: errors": "RED: ошибки",
    "RED: duration": "RED: длительность",
    "USE: utilization": "USE: загрузка",
    "USE: saturation": "USE: насыщение",
    "USE: errors": "USE: ошибки",
    "golden signal: latency": "золотой сигнал: задержка",
    "golden signal: traffic": "золотой сигнал: трафик",
    "golden signal: errors": "золотой сигнал: ошибки",
    "golden signal: saturation": "золотой сигнал: насыщение",
    "business": "бизнес",
    "context: explains the others": "контекст: объясняет остальные",
    # Labels of every series.
    "the service, or the scrape job": "сервис или задание опроса",
    "the process, or the address that is scraped": "процесс или адрес, который опрашивают",
    "version of the service": "версия сервиса",
    "environment, such as demo or production": "окружение, например demo или production",
    "library that recorded it": "библиотека, которая записала значение",
    "version of that library": "версия этой библиотеки",
    "conventions that this library follows": "соглашения, которым следует эта библиотека",
}

ENGLISH = Language("en", "", "По-русски")
RUSSIAN = Language("ru", "ru/", "In English", _RUSSIAN)
LANGUAGES = (ENGLISH, RUSSIAN)

#: What the labels of every series mean, in the order in which they are shown.
COMMON = {
    "job": "the service, or the scrape job",
    "instance": "the process, or the address that is scraped",
    "service_version": "version of the service",
    "deployment_environment_name": "environment, such as demo or production",
    "otel_scope_name": "library that recorded it",
    "otel_scope_version": "version of that library",
    "otel_scope_schema_url": "conventions that this library follows",
}
