# SPDX-License-Identifier: Apache-2.0
"""
A broker whose metrics page cannot be scraped, read by the Collector through its management API.

A real broker, the built Collector with both files of its configuration, and a Prometheus with
the rendered rules: names, labels and numbers are those of the plugin's page of the same broker.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import built
import platform_parts
import pytest
import rule_cases
import yaml

from otel_setup.catalogue import rabbitmq, rabbitmq_managed
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.whole import Component
from otel_setup.render import rules
from services_demo.stack.layout import REPOSITORY
from tests.broker import Broker, plain_pika, samples, until
from tests.programs import free_port
from tests.prometheus_server import Prometheus

pytestmark = pytest.mark.stack

_FILES = ("config.yaml", "rabbitmq-management.yaml")
_UNACKED = "rabbitmq_detailed_queue_messages_unacked"

#: What a catalogue of such a broker can show.
PANELS = (
    *(rabbitmq.published(), rabbitmq.delivered(), rabbitmq.acked(), rabbitmq.pace()),
    *(rabbitmq.depth(), rabbitmq.unacked(), rabbitmq.drain(), rabbitmq.consumers()),
    *(rabbitmq.dead_letters(), rabbitmq.memory(), rabbitmq.disk(), rabbitmq.alarms()),
    *(rabbitmq.churn(), rabbitmq.channels_closed()),
)


def _component(of: Component) -> Component:
    jobs = tuple(job for job in of.scraped if "rabbitmq" not in job)
    return rabbitmq_managed.COMPONENT if of.name == "rabbitmq" else replace(of, scraped=jobs)


CATALOGUE = replace(
    platform_parts.CATALOGUE,
    components=tuple(map(_component, platform_parts.COMPONENTS)),
    dashboards=(
        Dashboard(
            slug="rabbitmq",
            title="RabbitMQ",
            asks="Is all well?",
            sections=(Section(title="Queues", panels=PANELS),),
        ),
        *(each for each in platform_parts.CATALOGUE.dashboards if each.slug != "rabbitmq"),
    ),
    scrapes=tuple(each for each in platform_parts.CATALOGUE.scrapes if "rabbitmq" not in each.job),
)
RULES = rules.pages(CATALOGUE)["prometheus/rules/rabbitmq.yml"]

#: What the management API and the plugin tell under one name, queue by queue.
_BY_QUEUE = (
    "rabbitmq_detailed_queue_consumers",
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_messages_unacked",
)
#: And of the node, where nothing changes while nothing happens.
_OF_NODE = (
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_channels_closed_total",
    "rabbitmq_connections_closed_total",
    "rabbitmq_connections_opened_total",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_resident_memory_limit_bytes",
)
#: A user as README.md asks for it: it sees the virtual host, and may do nothing there.
_USER, _PASSWORD = "watcher", "sees-all"
_NOTHING = dict.fromkeys(("configure", "write", "read"), "^$")
_HELD, _WAITING = 5, 3


class Collector:
    """The built Collector with both files, which reads *broker* and sends to *prometheus*."""

    def __init__(self, folder: Path, broker: Broker, prometheus: Prometheus) -> None:
        self._log = folder / "log"
        self._environment = {
            **os.environ,
            **{
                f"OTELCOL_{name}": f"127.0.0.1:{free_port()}"
                for name in ("OTLP_GRPC_ENDPOINT", "OTLP_HTTP_ENDPOINT", "PULL_ENDPOINT")
            },
            "OTELCOL_HEALTH_ENDPOINT": f"127.0.0.1:{free_port()}",
            "OTELCOL_OWN_METRICS_PORT": str(free_port()),
            "OTELCOL_POSTGRES_ENDPOINT": f"127.0.0.1:{free_port()}",
            "OTELCOL_POSTGRES_PASSWORD": "nobody-answers",
            "OTELCOL_PROMETHEUS_OTLP_ENDPOINT": f"{prometheus.url}/api/v1/otlp",
            "OTELCOL_RABBITMQ_ENDPOINT": broker.management,
            "OTELCOL_RABBITMQ_USER": _USER,
            "OTELCOL_RABBITMQ_PASSWORD": _PASSWORD,
            "OTELCOL_STORAGE": str(folder),
        }
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        files = (f"--config={REPOSITORY / 'collector' / name}" for name in _FILES)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(built.path("otelcol")), *files],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def page(self) -> str:
        """Return what it offers to a Prometheus that pulls."""
        address = self._environment["OTELCOL_PULL_ENDPOINT"]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def restart(self) -> None:
        """End it as an operator does, and start it."""
        self.end()
        self._process = self._start()

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=30)


@dataclass(frozen=True)
class Managed:
    """The three programs, and the queue that messages went through."""

    broker: Broker
    prometheus: Prometheus
    collector: Collector
    queue: str

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of *expr*: labels and value."""
        found = self.prometheus.ask("query", query=expr)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def values(self, expr: str) -> dict[tuple[str, str], float]:
        """Return the values of *expr* by virtual host and queue."""
        return {(labels["vhost"], labels["queue"]): value for labels, value in self.ask(expr)}

    def missing(self) -> list[str]:
        """Return the queries of panels that have no data."""
        queries = [query.expr.over("1m").text for panel in PANELS for query in panel.queries]
        return [text for text in queries if not self.ask(text)]


@contextmanager
def _traffic(broker: Broker, queue: str) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Yield what sends and handles one message, and what leaves some held and some waiting."""
    pika = plain_pika()
    connection = pika.BlockingConnection(
        pika.URLParameters(broker.url_at(broker.port, heartbeat=0))
    )
    channel = connection.channel()
    channel.basic_qos(prefetch_count=_HELD)
    holding = False

    def on_message(_channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        if not holding:
            channel.basic_ack(method.delivery_tag)

    def go() -> None:
        channel.basic_publish("", queue, b"x")
        connection.process_data_events(0.1)

    def stay() -> None:
        nonlocal holding
        holding = True
        for _ in range(_HELD + _WAITING):
            go()

    channel.basic_consume(queue, on_message)
    try:
        yield go, stay
    finally:
        connection.close()


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    """All of them, after some traffic; a consumer holds messages, and others wait."""
    folders = [tmp_path_factory.mktemp(name) for name in ("broker", "prometheus", "collector")]
    with Broker(folders[0]) as broker, ExitStack() as ending:
        broker.api(f"users/{_USER}", {"password": _PASSWORD, "tags": "monitoring"}, "PUT")
        broker.api(f"permissions/%2F/{_USER}", _NOTHING, "PUT")
        prometheus = Prometheus(folders[1], rules=RULES)
        ending.callback(prometheus.process.wait)
        ending.callback(prometheus.process.kill)
        collector = Collector(folders[2], broker, prometheus)
        ending.callback(collector.end)
        with broker.channel() as channel:
            channel.queue_declare("orders.dead", durable=True)
        found = Managed(broker, prometheus, collector, broker.queue())
        until(lambda: prometheus.ask("query", query="1") is not None, "Prometheus answers", 60)
        go, stay = ending.enter_context(_traffic(broker, found.queue))

        def all_seen() -> bool:
            go()
            return not found.missing()

        until(all_seen, "every panel has data", 90)
        stay()
        until(lambda: found.values(_UNACKED)["/", found.queue] == _HELD, "it holds", 30)
        yield found


def test_the_collector_accepts_both_files() -> None:
    """The second one adds to the first."""
    files = [f"--config={REPOSITORY / 'collector' / name}" for name in _FILES]
    passwords = {f"OTELCOL_{name}_PASSWORD": "x" for name in ("POSTGRES", "RABBITMQ")}
    answer = subprocess.run(
        [str(built.path("otelcol")), "validate", *files],
        env={**os.environ, **passwords},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")


def test_every_metric_is_there(managed: Managed) -> None:
    """Except those of which the catalogue says that a version lacks them."""
    assert [
        metric.name
        for metric in rabbitmq_managed.METRICS
        if not metric.rare and not managed.ask(metric.prometheus_name)
    ] == []


@pytest.mark.parametrize("name", _BY_QUEUE)
def test_queues_are_what_the_page_of_the_broker_says(managed: Managed, name: str) -> None:
    """Under the same names and labels, also without a consumer or a message."""
    path = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count"
    page = {
        (labels["vhost"], labels["queue"]): value
        for found, labels, value in samples(managed.broker.page(path))
        if found == name
    }
    assert len(page) == 2
    assert managed.values(name) == page


@pytest.mark.parametrize("name", _OF_NODE)
def test_the_node_is_what_the_page_of_the_broker_says(managed: Managed, name: str) -> None:
    """Its limits, alarms and connections, under the name of the node."""
    page = [value for found, _, value in samples(managed.broker.page("/metrics")) if found == name]
    ((labels, value),) = managed.ask(name)
    assert [value] == page
    assert (labels["job"], labels["instance"].endswith("@localhost")) == ("rabbitmq", True)


def test_totals_are_those_of_the_broker(managed: Managed) -> None:
    """Published, delivered and acknowledged."""
    counted = managed.broker.messages(managed.queue)
    assert {
        event: managed.values(f"rabbitmq_detailed_queue_{name}_total")
        for event, name in {
            "publish": "exchange_messages_published",
            "deliver": "messages_delivered_ack",
            "ack": "messages_acked",
        }.items()
    } == {event: {("/", managed.queue): counted[event]} for event in ("publish", "deliver", "ack")}


def test_a_prometheus_that_pulls_gets_the_same_names(managed: Managed) -> None:
    """With queue and virtual host as labels."""
    page = {
        name: labels
        for name, labels, _ in samples(managed.collector.page())
        if name.startswith("rabbitmq")
    }
    pushed = {labels["__name__"] for labels, _ in managed.ask('{__name__=~"rabbitmq.*"}')}
    assert set(page) == pushed
    assert {"job", "instance", "queue", "vhost"} <= set(page[_UNACKED])


def test_rules_find_nothing_wrong(managed: Managed) -> None:
    """Messages are held, but not for long; only the connections of these tests come and go."""
    assert {labels["alertname"] for labels, _ in managed.ask("ALERTS")} <= {"ConnectionsFlap"}


def test_a_restart_of_the_collector_invents_no_messages(managed: Managed) -> None:
    """What the broker counted before is not new."""
    total = f"rabbitmq_detailed_queue_messages_acked_total{{queue='{managed.queue}'}}"
    managed.collector.restart()
    restarted = time.time()
    until(lambda: managed.ask(f"timestamp({total}) > {restarted + 5}") != [], "new data", 60)
    assert [value for _, value in managed.ask(f"resets({total}[5m])")] == [0]
    assert [value for _, value in managed.ask(f"increase({total}[10s])")] == [0]


def test_its_silence_is_told(tmp_path: Path) -> None:
    """In the cases of promtool that every alert has."""
    text = (rule_cases.FOLDER / "generic/rabbitmq_managed.test.yml").read_text()
    file = rule_cases.CaseFile("managed", yaml.safe_load(text))
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "cases.yml").write_text(text)
    found = built.run("promtool", "test", "rules", tmp_path / "cases.yml")
    assert (found.returncode, found.stdout + found.stderr) == (0, "  SUCCESS\n\n")
    assert list(rule_cases.problems(CATALOGUE.alerts["RabbitmqDown"], [file])) == []
