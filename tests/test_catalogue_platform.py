# SPDX-License-Identifier: Apache-2.0
"""The generic catalogue of the platform: it is whole, and says what it says on purpose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

import platform_parts
import pytest
from platform_parts import CATALOGUE, MODULES, TRACING

from otel_setup.catalogue import rabbitmq, slo
from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.alerts.slo import BURNS
from otel_setup.catalogue.burning import EVERY
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.scraped.targets import down
from otel_setup.render import scrape
from otel_setup.render.rule_groups import groups

RULES = {rule.name: rule for rule in slo.rules(TRACING)}
EVERY_MODULE = [module for modules in MODULES.values() for module in modules]


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text that a reader sees, with the entry that it belongs to."""
    for component in CATALOGUE.components:
        yield component.name, component.title
    for metric in CATALOGUE.metrics.values():
        for text in (metric.description, metric.why, metric.no_panel, metric.no_alert, metric.rare):
            yield metric.name, text
        yield from ((metric.name, label.meaning) for label in metric.attributes.values())
    for alert in CATALOGUE.alerts.values():
        for text in (alert.meaning, alert.impact, alert.diagnosis, alert.mitigation):
            yield alert.name, text
    for module in EVERY_MODULE:
        for panel in platform_parts.panels(module):
            for text in (panel.title, panel.why, panel.may_be_empty):
                yield panel.title, text


def test_every_text_is_there_in_russian() -> None:
    """Names of products alone stay as they are."""
    assert {
        text
        for _, text in texts()
        if text and not (isinstance(text, Text) and re.search("[а-я]", text.ru))
    } == {"RabbitMQ", "OpenTelemetry Collector", "Prometheus", "Alertmanager"}


def test_no_word_mixes_two_alphabets() -> None:
    """A Latin letter in a Russian word looks right and cannot be found."""
    mixed = re.compile(r"\b(?=\w*[a-zA-Z])(?=\w*[а-яА-ЯёЁ])\w+")
    russian = [(entry, text.ru) for entry, text in texts() if isinstance(text, Text)]
    assert [(entry, found[0]) for entry, text in russian if (found := mixed.search(text))] == []


@pytest.mark.parametrize("module", EVERY_MODULE, ids=lambda module: module.__name__)
def test_a_panel_serves_the_questions_and_leads_where_it_is_told(module: ModuleType) -> None:
    """So that a catalogue arranges panels without knowing how they are made."""
    made = [
        function(rows=("X1",), leads_to="elsewhere")
        for function in platform_parts.functions(module).values()
    ]
    assert [(panel.rows, panel.leads_to) for panel in made] == [(("X1",), "elsewhere")] * len(made)


@pytest.mark.parametrize("module", EVERY_MODULE, ids=lambda module: module.__name__)
def test_alerts_go_to_the_owner_that_is_asked_for(module: ModuleType) -> None:
    """And lead to the dashboard that is asked for."""
    made = module.component(owner="night", dashboard="board")
    assert made.owner == "night"
    assert {alert.dashboard for alert in made.alerts} == {"board"}


def test_panels_read_no_name_that_differs_between_versions_of_the_broker() -> None:
    """Only what is recorded for every version."""
    rare = {metric.name for metric in rabbitmq.METRICS if metric.rare and ":" not in metric.name}
    assert [panel.title for panel in platform_parts.panels(rabbitmq) if panel.metrics & rare] == []


def test_queues_are_asked_for_by_the_families_of_all_versions() -> None:
    """Whole pages, not single metrics, so only the families that are needed."""
    _, detailed = rabbitmq.SCRAPES
    assert (detailed.path, detailed.targets) == ("/metrics/detailed", "rabbitmq")
    assert detailed.params == {
        "family": (
            "queue_coarse_metrics",
            "queue_consumer_count",
            "channel_queue_metrics",
            "channel_queue_exchange_metrics",
            "queue_delivery_metrics",
            "queue_exchange_metrics",
        )
    }


def test_what_prometheus_writes_itself_is_on_no_list() -> None:
    """Nobody offers it in a scrape."""
    kept = {name for each in CATALOGUE.scrapes for name in scrape.kept(CATALOGUE, each)}
    assert {"up", "scrape_duration_seconds"} & kept == set()
    assert {"target_info", "process_start_time_seconds", "rabbitmq_connections"} <= kept


def test_a_job_is_down_with_its_targets_and_without_any() -> None:
    """A target that was removed by mistake is not watched by up."""
    assert down("mail").text == 'up{job="mail"} == 0 or absent(up{job="mail"}) - 1'


def test_the_heartbeat_needs_no_data() -> None:
    """It has to beat when everything else is gone, and is routed by its label."""
    watchdog = CATALOGUE.alerts["Watchdog"]
    assert (watchdog.expr.text, watchdog.expr.metrics) == ("vector(1)", frozenset())
    assert (watchdog.severity, watchdog.labels) == ("info", {"heartbeat": "true"})


@pytest.mark.parametrize(
    ("alert", "causes"),
    [
        ("QueueHasNoConsumers", {"RabbitmqDown"}),
        ("QueueGrows", {"QueueHasNoConsumers", "QueueConsumerStuck", "QueueConsumerDeaf"}),
        ("RabbitmqMemoryNearLimit", {"RabbitmqDown", "RabbitmqAlarm"}),
        ("ServiceSilent", {"CollectorDown"}),
        ("TargetDown", {"RabbitmqDown", "CollectorDown", "AlertmanagerDown"}),
        ("PrometheusCannotNotify", {"AlertmanagerDown"}),
        ("SloBurnsVerySlowly", {"SloBurnsFast", "SloBurns", "SloBurnsSlowly"}),
    ],
)
def test_one_fault_does_not_page_many_times(alert: str, causes: set[str]) -> None:
    """What is only a consequence is held back."""
    assert set(CATALOGUE.alerts[alert].inhibited_by) == causes


def test_burn_rates_are_those_of_the_workbook() -> None:
    """Chapter 5 of Google's Site Reliability Workbook, table 5-8."""
    assert [(each.factor, each.long, each.short, each.severity) for each in BURNS] == [
        (14.4, "1h", "5m", "critical"),
        (6, "6h", "30m", "critical"),
        (3, "1d", "2h", "warning"),
        (1, "3d", "6h", "warning"),
    ]


def test_a_budget_is_exact() -> None:
    """In binary, 1 - 0.999 is 0.0010000000000000009."""
    assert RULES["slo:error_budget:ratio"].expr.text == "vector(0.001)"
    assert RULES["slo:objective:ratio"].expr.text == "vector(0.999)"
    assert RULES["slo:minimum_errors:count"].expr.text == "vector(7)"
    assert RULES["slo:budget_remaining:ratio"].expr.text.endswith(" / 0.001")


def test_an_objective_fills_every_series_that_alerts_and_panels_read() -> None:
    """With its name and the team that promised it."""
    assert set(RULES) == {metric.name for metric in slo.METRICS}
    assert {tuple(rule.labels.items()) for rule in RULES.values()} == {
        (("slo", "tracing"), ("team", "crm"))
    }


def test_failures_that_never_happened_are_none() -> None:
    """Their series does not exist, and the share of bad events is 0 all the same."""
    bad = "sum(increase(otelcol_exporter_send_failed_spans[1h]))"
    total = "sum(increase(otelcol_exporter_sent_spans[1h]))"
    assert RULES["slo:sli_error:ratio_rate1h"].expr.text == (
        f"clamp_min(({bad}) or (0 * {total}), 0) / ({total} > 0)"
    )


def test_long_windows_add_up_what_was_recorded_before() -> None:
    """A recording comes before what reads it, and each event is in ten recordings."""
    order = list(RULES)
    read = ("slo:sli_error:increase5m", "slo:sli_total:increase5m")
    for window in ("1d", "3d"):
        rule = RULES[f"slo:sli_error:ratio_rate{window}"]
        assert all(name in rule.expr.text for name in read)
        assert max(map(order.index, read)) < order.index(rule.name)
    assert RULES["slo:sli_error:increase1d"].expr.text == (
        'sum_over_time(slo:sli_error:increase5m{slo="tracing"}[1d]) / 10'
    )
    assert groups(CATALOGUE)["slo"][0]["interval"] == f"{EVERY}s"
    assert 5 * 60 / EVERY == 10


def test_an_alert_about_an_objective_goes_to_who_promised() -> None:
    """The label comes from the series, not from who keeps the rules."""
    teams: dict[str, Alert] = {alert.name: alert for alert in slo.ALERTS}
    assert {alert.labels["team"] for alert in teams.values()} == {"{{ $labels.team }}"}
