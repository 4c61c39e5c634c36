# SPDX-License-Identifier: Apache-2.0
"""
Panels and alerts about RabbitMQ on its versions: what each of them answered was recorded.

A real Prometheus scrapes the recordings as if they were brokers, with the rendered jobs and
rules. Their counters go on: in each second there happens once more what had happened.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import built
import pytest
from platform_parts import CATALOGUE, panels

from otel_setup.catalogue import rabbitmq
from otel_setup.catalogue.promql import Expr
from otel_setup.render import rules, scrape
from tests.programs import free_port

pytestmark = pytest.mark.stack

RECORDINGS = Path(__file__).parent / "recordings"
#: Of 3.13 no node could be had. Its plugin's collectors answered from a node of 3.10, as the head
#: of the recording says.
VERSIONS = ("3.10.8", "3.13.7", "4.0.5", "4.3.6")

#: What a queue's recorded rate adds up to: the broker's own totals over all queues.
TOTALS = {
    "published": ("routed",),
    "delivered": ("delivered_consume_manual_ack", "delivered_consume_auto_ack"),
    "acked": ("acknowledged",),
    "redelivered": ("redelivered",),
}

#: What was recorded of the whole broker, and the counter that it comes from.
LOSSES = {
    'broker:messages_dead_lettered:increase5m{reason="rejected"}': "dead_lettered_rejected",
    'broker:messages_dead_lettered:increase5m{reason="expired"}': "dead_lettered_expired",
    'broker:messages_unroutable:increase5m{outcome="dropped"}': "unroutable_dropped",
    'broker:messages_unroutable:increase5m{outcome="returned"}': "unroutable_returned",
}

_SAMPLE = re.compile(r"^([a-z_]+)(\{.*\})? ([0-9.e+-]+)$", re.MULTILINE)
#: Windows of a minute that are filled for so long are steady enough to be compared.
_SECONDS = 15


@dataclass(frozen=True)
class Recording:
    """What one version of the broker answered."""

    version: str

    def page(self, path: str) -> str:
        """Return what it answered to a GET of *path*."""
        detailed = "-detailed" if path.startswith("/metrics/detailed") else ""
        return (RECORDINGS / f"rabbitmq-{self.version}{detailed}.prom").read_text()

    def total(self, *names: str) -> float:
        """Return the sum of all series with these *names* on the page of the whole broker."""
        samples = _SAMPLE.findall(self.page("/metrics"))
        return sum(float(value) for name, _, value in samples if name in names)


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that scrapes a recording."""

    recording: Recording
    url: str

    def ask(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return the series of *expr*: labels and value."""
        query = urllib.parse.urlencode({"query": expr})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=20) as answer:  # noqa: S310 - our own
            result = json.load(answer)["data"]["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]

    def one(self, expr: str) -> float:
        """Return the value of *expr*, which has one series."""
        ((_, value),) = self.ask(expr)
        return value

    def wait(self) -> None:
        """Wait until its rates are steady."""
        deadline = time.monotonic() + 60
        steady = f"time() - min_over_time(timestamp(up == 1)[1m:1s]) > {_SECONDS}"
        while time.monotonic() < deadline:
            try:
                if len(self.ask(steady)) == len(rabbitmq.SCRAPES):
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.2)
        raise AssertionError(f"no data of RabbitMQ {self.recording.version} after 60 s")


@contextmanager
def served(recording: Recording) -> Iterator[int]:
    """Serve *recording* like a broker, and yield the port."""
    start = time.monotonic()

    class Broker(BaseHTTPRequestHandler):
        """Answers with the recording; its counters have grown since the start."""

        def do_GET(self) -> None:
            page = recording.page(self.path)
            counters = set(re.findall(r"^# TYPE (\w+) counter$", page, re.MULTILINE))
            passed = time.monotonic() - start

            def grown(sample: re.Match[str]) -> str:
                name, labels, value = sample.groups(default="")
                times = passed if name in counters else 1
                return f"{name}{labels} {float(value) * times:f}"

            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(_SAMPLE.sub(grown, page).encode())

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Broker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def configured(folder: Path, port: int) -> Path:
    """Write the configuration of a Prometheus that scrapes a broker's *port*."""
    (folder / "targets").mkdir(parents=True)
    (folder / "targets/rabbitmq.yml").write_text(json.dumps([{"targets": [f"127.0.0.1:{port}"]}]))
    made = rules.pages(CATALOGUE) | scrape.pages(CATALOGUE)
    (folder / "rules.yml").write_text(made["prometheus/rules/rabbitmq.yml"])
    (folder / "scrape.yml").write_text(made[scrape.PATH])
    configuration = {
        "global": dict.fromkeys(
            ("scrape_interval", "scrape_timeout", "evaluation_interval"), "500ms"
        ),
        "scrape_config_files": ["scrape.yml"],
        "rule_files": ["rules.yml"],
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(configuration))
    return path


@contextmanager
def prometheus(folder: Path, recording: Recording) -> Iterator[Prometheus]:
    """Start a Prometheus in *folder* that scrapes *recording*."""
    with served(recording) as port, (folder / "log").open("w") as log:
        url = f"127.0.0.1:{free_port()}"
        arguments = [
            f"--config.file={configured(folder / 'config', port)}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={url}",
        ]
        process = subprocess.Popen([built.path("prometheus"), *arguments], stdout=log, stderr=log)
        try:
            yield Prometheus(recording, f"http://{url}")
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Prometheus]]:
    """All versions side by side, so that their rates become steady at once."""
    with ExitStack() as started:
        found = {
            version: started.enter_context(
                prometheus(tmp_path_factory.mktemp(version), Recording(version))
            )
            for version in VERSIONS
        }
        for each in found.values():
            each.wait()
        yield found


@pytest.fixture(params=VERSIONS)
def broker(request: pytest.FixtureRequest, every: dict[str, Prometheus]) -> Prometheus:
    """One version."""
    return every[request.param]


def has_no_yesterday(expr: Expr) -> bool:
    """Tell whether *expr* asks for more history than there is."""
    return "offset 1d" in expr.text


def test_every_panel_has_data(broker: Prometheus) -> None:
    """In each of its queries."""
    assert [
        (panel.title, query.expr.text)
        for panel in panels(rabbitmq)
        for query in panel.queries
        if not has_no_yesterday(query.expr) and not broker.ask(query.expr.over("1m").text)
    ] == []


def test_every_metric_is_there(broker: Prometheus) -> None:
    """Except those of which the catalogue says that a version lacks them."""
    assert [
        metric.name
        for metric in rabbitmq.METRICS
        if not metric.rare and not broker.ask(metric.prometheus_name)
    ] == []


@pytest.mark.parametrize("event", TOTALS)
def test_queues_add_up_to_what_the_broker_counts(broker: Prometheus, event: str) -> None:
    """Nothing is missed, and nothing is counted by channel and by queue."""
    taken = "rabbitmq_global_messages_received_total"
    pace = broker.one(f"sum(rate({taken}[1m]))") / broker.recording.total(taken)
    names = [f"rabbitmq_global_messages_{name}_total" for name in TOTALS[event]]
    assert broker.one(f"sum(queue:messages_{event}:rate1m)") == pytest.approx(
        broker.recording.total(*names) * pace, rel=0.1
    )


@pytest.mark.parametrize("recorded", LOSSES)
def test_losses_are_those_that_the_broker_counts(broker: Prometheus, recorded: str) -> None:
    """By reason and by outcome, whatever the type of the queue or the protocol."""
    taken = "rabbitmq_global_messages_received_total"
    pace = broker.one(f"sum(increase({taken}[5m]))") / broker.recording.total(taken)
    lost = broker.recording.total(f"rabbitmq_global_messages_{LOSSES[recorded]}_total")
    assert lost > 0
    assert broker.one(f"sum({recorded})") == pytest.approx(lost * pace, rel=0.1)


def test_every_queue_is_told_by_name(broker: Prometheus) -> None:
    """With equal labels, whatever the version calls them."""
    assert sorted(
        tuple(labels[name] for name in ("vhost", "queue"))
        for labels, _ in broker.ask("queue:messages_published:rate1m")
    ) == [("/", name) for name in ("crm.orders", "letters", "mes.orders", "nodlx", "shop.orders")]


def test_the_cpu_is_in_cores(broker: Prometheus) -> None:
    """Also where the broker gives milliseconds the name of seconds."""
    runtime, wall = (
        broker.recording.total(
            f"erlang_vm_statistics_{clock}_milliseconds",
            f"erlang_vm_statistics_{clock}_seconds_total",
        )
        for clock in ("runtime", "wallclock_time")
    )
    assert broker.one("broker:cpu:cores") == pytest.approx(runtime / wall, rel=0.01)
    assert 0 < runtime / wall < 1


def test_what_happened_alerts_alike(broker: Prometheus) -> None:
    """Messages died, were lost and found no queue; nothing else was wrong."""
    found = broker.ask('ALERTS{alertstate="firing"}')
    assert {labels["alertname"] for labels, _ in found} == {
        "MessagesDeadLettered",
        "MessagesLost",
        "MessagesUnroutable",
    }
    assert {labels["reason"] for labels, _ in found if "reason" in labels} == {
        "rejected",
        "expired",
    }
