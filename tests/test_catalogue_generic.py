# SPDX-License-Identifier: Apache-2.0
"""What every user gets: metrics, panels and alerts of services, databases and hosts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_setup._limits import views
from otel_setup.catalogue import (
    client_panels,
    database,
    host,
    http,
    http_client,
    message_panels,
    messaging,
    postgresql,
    process,
    s3,
    s3_panels,
    sdk,
    servers,
    services,
    sessions,
    storage,
)
from otel_setup.catalogue.boards import Dashboard, Panel, Section
from otel_setup.catalogue.entries.process import EXECUTABLE
from otel_setup.catalogue.jobs import alive, legend, of
from otel_setup.catalogue.model import Histogram, Metric, Text
from otel_setup.catalogue.whole import Catalogue, Component, Scrape
from tests.otlp_sink import Sink
from tests.programs import run

COLLECTOR = Path(__file__).parents[1] / "collector" / "config.yaml"
SERVICES = (http, http_client, messaging, s3, process, database, sdk)
MODULES = (*SERVICES, postgresql, sessions, host, servers, storage)
PANELS = (*MODULES, message_panels, client_panels, s3_panels)
COMPONENTS = (
    *services.COMPONENTS,
    *(each.COMPONENT for each in (postgresql, sessions, host, servers, storage)),
)
METRICS = [metric for component in COMPONENTS for metric in component.metrics]
ALERTS = [alert for component in COMPONENTS for alert in component.alerts]

MakesPanel = Callable[..., Panel]

#: A service that fails in all ways that HTTP and SQL libraries tell apart, calls others, knows its
#: users, and has its own spans.
SERVICE = """
import os, time
import httpx
from otel_setup import set_user
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
import flask

api, pages = FastAPI(), flask.Flask("pages")

@api.post("/orders/{order_id}")
def order(order_id: str, wish: dict):
    set_user("ann", group="customer")
    if order_id == "lost":
        raise HTTPException(503)
    if order_id == "broken":
        raise RuntimeError("broken")
    return {"id": order_id}

@pages.get("/fails")
def fails():
    raise RuntimeError("broken")

pages.logger.disabled = True
shop = TestClient(api, raise_server_exceptions=False)
for order_id in ("1", "lost", "broken"):
    shop.post(f"/orders/{order_id}", json={"material": "gold"})
shop.get("/nowhere")
shop.request("BREW", "/orders/1")
pages.test_client().get("/fails")
pages.test_client().get("/nowhere")
httpx.get(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
time.sleep(1.5)
"""


def panel_functions(module: ModuleType) -> dict[str, MakesPanel]:
    """Return the functions of *module* that make a panel, by name."""
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and str(inspect.signature(function).return_annotation) == "Panel"
    }


def panel(module: ModuleType, name: str, **choices: Any) -> Panel:
    """Return the panel *name* of *module*, for every job where it wants to know one."""
    function = panel_functions(module)[name]
    wants = [each for each in inspect.signature(function).parameters if each in ("job", "jobs")]
    return function(*("~.+" for _ in wants), **choices)


EVERY_PANEL = [(module, name) for module in PANELS for name in panel_functions(module)]


def board(slug: str, module: ModuleType) -> Dashboard:
    """Return a dashboard with all panels of *module*."""
    panels = tuple(panel(module, name) for name in panel_functions(module))
    return Dashboard(
        slug=slug, title=slug, asks="Is it well?", sections=(Section(title="All", panels=panels),)
    )


def catalogue(**changes: Any) -> Catalogue:
    """Return a catalogue of generic parts only."""
    boards = (
        *services.DASHBOARDS,
        board("databases", postgresql),
        board("sessions", sessions),
        board("hosts", host),
        board("servers", servers),
        storage.DASHBOARD,
    )
    return Catalogue(**{"title": "Mine", "components": COMPONENTS, "dashboards": boards, **changes})


def dropped() -> Iterator[re.Pattern[str]]:
    """Yield what the Collector drops by the name of a metric."""
    conditions = yaml.safe_load(COLLECTOR.read_text())["processors"]["filter/unread"]["metrics"]
    for condition in conditions["metric"]:
        if equal := re.fullmatch(r'name == "(.+)"', condition):
            yield re.compile(re.escape(equal[1]))
        else:
            matched = re.fullmatch(r'IsMatch\(name, "(.+)"\)', condition)
            assert matched is not None, condition
            yield re.compile(matched[1].replace("\\\\", "\\"))


def test_services_need_no_entry_of_their_own() -> None:
    """Who has only services names them in one line: every metric has its panel and alert."""
    mine = Catalogue(title="Mine", components=services.components(), dashboards=services.DASHBOARDS)
    assert len(mine.metrics) == 66


def test_all_generic_parts_make_a_catalogue() -> None:
    """Each metric is read by a panel and an alert, or says why not."""
    assert sorted(catalogue().metrics) == sorted(metric.name for metric in METRICS)


def test_services_that_serve_their_metrics_name_the_scrape_job() -> None:
    """Otherwise what they serve would not be stored."""
    parts = services.components(scraped=("mine",), owner="shop")
    mine = catalogue(
        components=parts,
        dashboards=services.DASHBOARDS,
        scrapes=(Scrape(job="mine", says="My own services."),),
    )
    assert [(each.scraped, each.owner) for each in mine.components] == [(("mine",), "shop")] * 7


@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.__name__.rsplit(".", 1)[-1])
def test_alerts_lead_to_the_dashboard_of_the_user(module: ModuleType) -> None:
    """His dashboard may have another name than ours."""
    component: Component = module.component(dashboard="mine", owner="me")
    assert (component.owner, {alert.dashboard for alert in component.alerts}) == ("me", {"mine"})


@pytest.mark.parametrize(("module", "name"), EVERY_PANEL)
def test_a_panel_takes_its_place_in_a_dashboard(module: ModuleType, name: str) -> None:
    """Its questions, where it leads to, and a title of the user's own."""
    made = panel(module, name, rows=("Q1",), leads_to="shop", title="Mine")
    assert (made.rows, made.leads_to, made.title) == (("Q1",), "shop", "Mine")


@pytest.mark.parametrize(("module", "name"), EVERY_PANEL)
def test_a_panel_says_in_both_languages_what_it_shows(module: ModuleType, name: str) -> None:
    """Its title, and why one looks at it, if that is not the reason of its metric."""
    made = panel(module, name)
    texts = [text for text in (made.title, made.why, made.may_be_empty) if text]
    assert [text for text in texts if not (isinstance(text, Text) and text.ru)] == []


def test_panels_of_one_job_do_not_name_it_in_every_line() -> None:
    """It stands in the title of the dashboard; of several jobs each line names its own."""
    one, several = (http.active(job).queries[0] for job in ("shop-api", "~shop-.+"))
    assert (one.legend, several.legend) == ("active", "{{job}} active")
    assert (legend(""), legend("shop-api", "p95")) == ("{{job}}", "p95")


def test_latency_can_be_that_of_one_route() -> None:
    """The route and the method are compared as they are."""
    first, *_ = http.latency("shop-api", route="/models", method="POST").queries
    chosen = 'job="shop-api", http_route="/models", http_request_method="POST"'
    assert first.expr.text == (
        "histogram_quantile(0.5, sum by (le, job) "
        f"(rate(http_server_request_duration_seconds_bucket{{{chosen}}}[$__rate_interval])))"
    )


def test_only_what_still_reports_is_summed() -> None:
    """Prometheus would show the last value of a dead process for five minutes."""
    expr = alive(process.MEMORY_USAGE, by=["job"], where=of("~mes-.+"), fold="max")
    assert expr.text == (
        'max by (job) (last_over_time(process_memory_usage_bytes{job=~"mes-.+"}[90s]))'
    )
    assert (expr.unit, expr.metrics) == ("By", {"process.memory.usage"})


def test_a_label_that_is_not_there_is_named() -> None:
    """A sum by it would be empty."""
    with pytest.raises(ValueError, match=r"'process.thread.count' has no label 'pid'"):
        alive(process.THREADS, by=["pid"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: each.name)
def test_an_alert_shows_no_dashboard_variable(alert: Any) -> None:
    """Its queries are pasted into Prometheus, which knows no variables."""
    assert [query.expr.text for query in alert.queries if "$" in query.expr.text] == []


def test_nobody_is_told_twice_of_a_slow_database() -> None:
    """A service that is slow for its database is held back; only for the same job."""
    (slow,) = (alert for alert in ALERTS if alert.name == "ServiceIsSlow")
    assert slow.inhibited_by == (
        "ServiceRequestsPileUp",
        "DatabaseQueriesSlow",
        "DatabasePoolExhausted",
        "DatabaseConnectionsComeLate",
        "S3AnswersSlowly",
        "S3TransfersSlow",
        "ProcessUsesAllCpu",
    )
    assert slow.inhibited_on == ("job",)


@pytest.mark.parametrize(
    "entry",
    [metric for metric in METRICS if isinstance(metric, Histogram)],
    ids=lambda each: each.name,
)
def test_a_histogram_of_upstream_has_the_bounds_of_its_entry(entry: Histogram) -> None:
    """A bound that nobody measures would make an objective that is never met."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False, views=views())
    # Instrumentations of HTTP, and ours of messages and S3, advise bounds; others none.
    advised = (
        *("http.server.request.duration", "http.client.request.duration"),
        *("messaging.", "aws.s3.", "storage.", "db.client.connection.", "http.server.db."),
    )
    advice = list(entry.buckets) if entry.name.startswith(advised) else None
    provider.get_meter("upstream").create_histogram(
        entry.name, entry.unit, explicit_bucket_boundaries_advisory=advice
    ).record(1)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert tuple(point.explicit_bounds) == entry.buckets


def test_what_a_service_sends_is_in_the_catalogue() -> None:
    """Every metric has an entry with exactly its labels, or the Collector drops it."""
    entries: dict[str, Metric] = {metric.name: metric for metric in METRICS}
    drops = list(dropped())
    with Sink() as collector:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        ended = run(SERVICE, OTEL_METRIC_EXPORT_INTERVAL="500", **settings)
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
        sent: dict[str, set[str]] = {}
        for point in collector.points:
            sent.setdefault(point.name, set()).update(point.attributes)
    kept = {name: sent[name] for name in sent if not any(each.search(name) for each in drops)}
    assert kept.keys() - entries.keys() == set()
    # Nothing was lost on the way, so the label that says why is not there.
    for name, labels in kept.items():
        if name.startswith("otel.sdk.") and "error.type" in entries[name].attributes:
            labels.add("error.type")
    # Nor is the one of servers, which the Collector measures.
    of_servers = set(EXECUTABLE)
    assert kept == {name: set(entries[name].attributes) - of_servers for name in kept}
    assert {"http.server.request.body.size", "otel.sdk.exporter.span.exported"} <= kept.keys()


def test_no_entry_is_switched_off_in_the_collector() -> None:
    """What is in the catalogue is expected to arrive."""
    settings = yaml.safe_load(COLLECTOR.read_text())["receivers"]["postgresql"]["metrics"]
    names = {metric.name for metric in postgresql.METRICS}
    assert [name for name in settings if not settings[name]["enabled"] and name in names] == []
    drops = list(dropped())
    assert [each.name for each in METRICS if any(drop.search(each.name) for drop in drops)] == []


def test_a_process_that_is_measured_imports_no_alerts() -> None:
    """Every instrumented process pays for what the entries import."""
    ended = run(
        "import sys\n"
        "from otel_setup.catalogue.entries import database, http, process, sdk\n"
        "import otel_setup._providers, otel_setup.instrumentation.database\n"
        "import otel_setup.instrumentation.process\n"
        "print(sorted(name for name in sys.modules if name.startswith('otel_setup.catalogue')))\n",
        launcher=False,
    )
    assert ended.stdout == (
        "['otel_setup.catalogue', 'otel_setup.catalogue.entries', "
        "'otel_setup.catalogue.entries.database', 'otel_setup.catalogue.entries.http', "
        "'otel_setup.catalogue.entries.process', 'otel_setup.catalogue.entries.sdk', "
        "'otel_setup.catalogue.model']\n"
    )


#: Name → the name in Prometheus, as the running system shows it.
STORED = {
    "http.server.request.duration": "http_server_request_duration_seconds",
    "http.server.active_requests": "http_server_active_requests",
    "http.server.request.body.size": "http_server_request_body_size_bytes",
    "process.cpu.time": "process_cpu_time_seconds_total",
    "process.memory.usage": "process_memory_usage_bytes",
    "process.unix.file_descriptor.count": "process_unix_file_descriptor_count",
    "cpython.gc.collections": "cpython_gc_collections_total",
    "db.client.operation.duration": "db_client_operation_duration_seconds",
    "db.client.response.returned_rows": "db_client_response_returned_rows",
    "db.client.connection.max": "db_client_connection_max",
    "otel.sdk.processor.span.queue.size": "otel_sdk_processor_span_queue_size",
    "otel.sdk.exporter.metric_data_point.exported": (
        "otel_sdk_exporter_metric_data_point_exported_total"
    ),
    "postgresql.backends": "postgresql_backends",
    "postgresql.connection.max": "postgresql_connection_max",
    "postgresql.db_size": "postgresql_db_size_bytes",
    "postgresql.blocks_read": "postgresql_blocks_read_total",
    "postgresql.rows": "postgresql_rows",
    "node_cpu_seconds_total": "node_cpu_seconds_total",
}


def test_entries_have_the_names_that_prometheus_gives_them() -> None:
    """A unit that is written differently would give another name."""
    names = {metric.name: metric.prometheus_name for metric in METRICS}
    assert {name: names[name] for name in STORED} == STORED
