# SPDX-License-Identifier: Apache-2.0
"""The company's catalogue says everything, in both languages, and agrees with the code."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import get_args

import pytest

from otel_setup.catalogue.model import Label, Metric, Text
from services_demo import messages
from services_demo.bus.topology import BINDINGS
from services_demo.catalogue import bus, crm, deadletters, mes, shop
from services_demo.catalogue.company import CATALOGUE
from services_demo.crm.notifications import TEMPLATES
from services_demo.mes.states import State
from services_demo.messages import Material, OrderState
from services_demo.shop import models
from services_demo.stack import layout
from services_demo.stack.company import programs

#: The questions that the company asked, by system.
ASKED = {
    *(f"Q{number}" for number in range(1, 12)),
    *(f"M{number}" for number in range(1, 10)),
    *(f"S{number}" for number in range(1, 7)),
    *(f"F{number}" for number in range(1, 5)),
    *(f"P{number}" for number in range(1, 5)),
    *("D1", "C1", "N1"),
}
OWN = (shop, mes, crm, bus, deadletters)
PANELS = [(dashboard, panel) for dashboard in CATALOGUE.dashboards for panel in dashboard.panels]


def texts_of_components() -> Iterator[tuple[str, str]]:
    """Yield what is said about components, their metrics and their alerts."""
    for component in CATALOGUE.components:
        yield f"component {component.name}", component.title
    for metric in CATALOGUE.metrics.values():
        for text in (metric.description, metric.why, metric.no_panel, metric.no_alert, metric.rare):
            yield f"metric {metric.name}", text
        for key, each in metric.attributes.items():
            yield f"label {key} of {metric.name}", each.meaning
    for alert in CATALOGUE.alerts.values():
        for text in (alert.meaning, alert.impact, alert.diagnosis, alert.mitigation):
            yield f"alert {alert.name}", text


def texts_of_boards() -> Iterator[tuple[str, str]]:
    """Yield what is said on dashboards."""
    for dashboard in CATALOGUE.dashboards:
        for text in (dashboard.title, dashboard.asks, *(each.title for each in dashboard.sections)):
            yield f"dashboard {dashboard.slug}", text
    for dashboard, panel in PANELS:
        for text in (panel.title, panel.why, panel.may_be_empty):
            yield f"panel {panel.title!r} of {dashboard.slug}", text


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text that a person reads in documents and dashboards, with its place."""
    yield from texts_of_components()
    yield from texts_of_boards()
    for question in CATALOGUE.questions:
        for text in (question.system, question.asks, question.answers, question.missing):
            yield f"question {question.id}", text
    for slo in CATALOGUE.slos:
        yield from ((f"objective {slo.name}", text) for text in (slo.promise, slo.why))


def test_every_text_has_its_russian() -> None:
    """Operators read Russian: a text without it is a text that is not there."""
    # Names such as "Shop API" are the same in both.
    assert [
        (where, text)
        for where, text in texts()
        if text
        and not (
            isinstance(text, Text)
            and (re.search("[а-яё]", text.ru) or text.ru == str(text) != text.lower())
        )
    ] == []


def test_no_russian_stands_in_the_english() -> None:
    """The languages were not mixed up."""
    assert [(where, text) for where, text in texts() if re.search("[а-яё]", text)] == []


def test_every_question_is_there() -> None:
    """Nothing that the company asked for was forgotten."""
    assert {question.id for question in CATALOGUE.questions} == ASKED


def test_every_question_says_what_it_is_asked_for() -> None:
    """The answer to a question is a decision that somebody can name."""
    assert [question.id for question in CATALOGUE.questions if not question.answers] == []


def test_what_serves_a_question_needs_no_choice() -> None:
    """A panel that shows nothing until somebody chooses a service answers no question by itself."""
    assert [
        (panel.title, query.expr.text)
        for _dashboard, panel in PANELS
        for query in panel.queries
        if panel.rows and "$job" in query.expr.text
    ] == []


@pytest.mark.parametrize("dashboard", CATALOGUE.dashboards, ids=lambda each: each.slug)
def test_a_dashboard_can_be_read(dashboard: object) -> None:
    """A line has at most four panels, and all of them stay on about two screens."""
    (found,) = (each for each in CATALOGUE.dashboards if each is dashboard)
    assert [section.title for section in found.sections if not 1 <= len(section.panels) <= 4] == []
    assert len(found.panels) <= (25 if found.variables else 16)


def test_every_dashboard_can_be_reached() -> None:
    """From the overview one gets everywhere, panel by panel."""
    reached: set[str] = set()
    new = {"overview"}
    while new:
        reached |= new
        led = {panel.leads_to for dashboard, panel in PANELS if dashboard.slug in reached}
        new = led - reached - {""}
    assert {dashboard.slug for dashboard in CATALOGUE.dashboards} == reached


def test_every_alert_leads_to_a_dashboard() -> None:
    """Who is woken sees at once what the alert saw."""
    assert [alert.name for alert in CATALOGUE.alerts.values() if not alert.dashboard] == []


@pytest.mark.parametrize("module", OWN, ids=lambda each: each.__name__.rpartition(".")[2])
def test_an_alert_about_slowness_offers_traces(module: object) -> None:
    """A histogram keeps traces of what was slow: the alert says where."""
    alerts = module.COMPONENT.alerts  # type: ignore[attr-defined]
    assert [
        alert.name
        for alert in alerts
        if "histogram_quantile" in alert.expr.text and not alert.exemplars
    ] == []


def label(metric: Metric, key: str) -> Label:
    """Return the label *key* of *metric*."""
    return metric.attributes[key]


def operations() -> set[str]:
    """Return the operations of the 3D editor."""
    union, _discriminator = get_args(models.Edit)
    return {get_args(each.model_fields["operation"].annotation)[0] for each in get_args(union)}


def values(states: type[StrEnum]) -> set[str]:
    """Return the values of an enumeration as plain text."""
    return {str(state) for state in states}


@pytest.mark.parametrize(
    ("metric", "key", "known"),
    [
        (shop.ORDERS_CREATED, "material", values(Material)),
        (shop.SHOP_ORDERS, "order.state", values(OrderState)),
        (shop.MODEL_CPU_TIME, "shop.model.operation", {"upload", *operations()}),
        (mes.MES_ORDERS, "order.state", values(State)),
        (mes.MES_TRANSITIONS, "from", values(State)),
        (mes.MES_TRANSITIONS, "to", values(State)),
        (crm.NOTIFICATIONS_SENT, "kind", {str(kind) for kind in TEMPLATES}),
        (crm.NOTIFICATION_DELAY, "kind", {str(kind) for kind in TEMPLATES}),
        (bus.EVENT_DELAY, "event", set(messages._BY_KEY)),
        (bus.EVENT_DELAY, "messaging.destination.name", set(BINDINGS)),
        (bus.EVENT_FAILURES, "event", {*messages._BY_KEY, bus.UNKNOWN}),
        (deadletters.KEPT, "messaging.destination.name", {*BINDINGS, deadletters.UNKNOWN}),
    ],
)
def test_a_closed_set_is_what_the_code_knows(
    metric: Metric, key: str, known: Collection[str]
) -> None:
    """The catalogue needs none of the services, so it repeats their words, and none is wrong."""
    assert set(label(metric, key).values) == known


def test_a_bucket_that_services_cannot_reach_is_not_told_by_the_scanner_too() -> None:
    """They feel it first, and say what it means."""
    alert = CATALOGUE.alerts["StorageScanFails"]
    assert (alert.inhibited_by, alert.inhibited_on) == (("S3CallsFail",), ("aws_s3_bucket",))


def test_a_worker_that_stopped_is_told_by_its_queue_alone() -> None:
    """The alert about the queue names the worker, and holds back the one about its silence."""
    silent, unconsumed = (CATALOGUE.alerts[n] for n in ("ServiceSilent", "QueueHasNoConsumers"))
    assert (silent.inhibited_by, silent.inhibited_on) == ((unconsumed.name,), ("job",))
    assert unconsumed.labels["job"] == '{{ reReplaceAll "[.].*" "-worker" $labels.queue }}'
    assert {re.sub("[.].*", "-worker", queue) for queue in bus.QUEUES} == {
        program.name for program in programs(layout.new({})) if program.name.endswith("-worker")
    }
