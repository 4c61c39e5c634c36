# SPDX-License-Identifier: Apache-2.0
"""Who is told of what, and what is held back: by Alertmanager itself, with the company's files."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import built
import pytest
import yaml

from otel_setup.render import alerting
from services_demo.catalogue.company import CATALOGUE
from services_demo.stack.layout import REPOSITORY
from tests import programs

DOCKER = REPOSITORY / "docker"
TEAMS = ("shop", "mes", "crm", "platform")

Labels = dict[str, str]


def configuration() -> dict[str, Any]:
    """Return the configuration of the company as it is rendered now."""
    pages = alerting.pages(CATALOGUE, (DOCKER / alerting.ROUTES).read_text())
    found: dict[str, Any] = yaml.safe_load(pages[alerting.PATH])
    return found


def test_every_owner_is_a_receiver() -> None:
    """A team that owns a component can be told."""
    receivers = {receiver["name"] for receiver in configuration()["receivers"]}
    assert {each.owner for each in CATALOGUE.components} <= receivers
    assert {each.owner for each in CATALOGUE.slos} <= receivers


def test_every_address_is_read_from_a_file() -> None:
    """No address stands in the repository; both files lie beside the configuration."""
    hooks = [
        hook
        for receiver in configuration()["receivers"]
        for hook in receiver.get("webhook_configs", [])
    ]
    assert {hook["url_file"] for hook in hooks} == {
        "receivers/alerts.url",
        "receivers/heartbeat.url",
    }
    assert [hook for hook in hooks if "url" in hook] == []


@pytest.mark.stack
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        *(({"severity": "critical", "team": team}, team) for team in TEAMS),
        *(({"severity": "warning", "team": team}, team) for team in TEAMS),
        ({"severity": "critical", "team": "unheard-of"}, "platform"),
        *(({"severity": "critical", "urgency": "now", "team": team}, team) for team in TEAMS),
        ({"severity": "warning"}, "platform"),
        ({"severity": "unheard-of", "team": "shop"}, "platform"),
        ({"severity": "info", "team": "shop"}, "nobody"),
        ({"alertname": "Watchdog", "severity": "info", "team": "platform"}, "heartbeat"),
        ({"alertname": "Watchdog", "severity": "critical", "team": "shop"}, "heartbeat"),
    ],
    ids=lambda given: " ".join(given.values()) if isinstance(given, dict) else given,
)
def test_an_alert_goes_to_its_team(labels: Labels, receiver: str) -> None:
    """What nobody routed goes to the platform team; the heartbeat to its own page."""
    found = built.run(
        "amtool",
        "config",
        "routes",
        "test",
        f"--config.file={DOCKER / alerting.PATH}",
        f"--verify.receivers={receiver}",
        *(f"{name}={value}" for name, value in labels.items()),
    )
    assert (found.returncode, found.stdout.split()[0]) == (0, receiver)


class _Page(BaseHTTPRequestHandler):
    """A page that takes notifications and keeps them."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.put((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@dataclass
class Running:
    """A started Alertmanager, and what it told."""

    url: str
    told: Queue[tuple[str, dict[str, Any]]]

    def fire(self, *alerts: Labels, ended: bool = False) -> None:
        """Send *alerts* the way Prometheus does."""
        now = datetime.now(UTC)
        end = now if ended else now + timedelta(minutes=5)
        body = [
            {
                "labels": labels,
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": end.isoformat(),
            }
            for labels in alerts
        ]
        request = urllib.request.Request(  # noqa: S310 - our own
            f"{self.url}/api/v2/alerts",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - our own

    def states(self) -> dict[str, str]:
        """Return what Alertmanager makes of each alert, by its label ``case``."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:  # noqa: S310
            return {each["labels"]["case"]: each["status"]["state"] for each in json.load(answer)}

    def settles(self, expected: dict[str, str], seconds: float = 10) -> dict[str, str]:
        """Return the states as soon as they are *expected*, or as they are in the end."""
        deadline = time.monotonic() + seconds
        while (found := self.states()) != expected and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def next(self, seconds: float) -> tuple[str, dict[str, Any]] | None:
        """Return what is told next within *seconds*."""
        try:
            return self.told.get(timeout=seconds)
        except Empty:
            return None


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Running]:
    """Alertmanager with the company's configuration, in its folder, and a page that it tells."""
    page = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    page.told = Queue()  # type: ignore[attr-defined]
    Thread(target=page.serve_forever, daemon=True).start()
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(configuration()))
    (tmp_path / "receivers").mkdir()
    for name in ("alerts", "heartbeat"):
        (tmp_path / "receivers" / f"{name}.url").write_text(
            f"http://127.0.0.1:{page.server_address[1]}/{name}\n"
        )
    port = str(programs.free_port())
    command = [
        built.path("alertmanager"),
        "--config.file=alertmanager.yml",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with programs.Server(command, cwd=tmp_path, PORT=port) as server:
        server.wait("/-/ready")
        yield Running(server.url, page.told)  # type: ignore[attr-defined]
    page.shutdown()
    page.server_close()


@pytest.mark.stack
def test_a_critical_alert_is_told_at_once(alertmanager: Running) -> None:
    """An order that is lost is told within seconds, to its team, with all its labels."""
    labels = {"alertname": "OrderLost", "severity": "critical", "team": "shop", "component": "x"}
    alertmanager.fire(labels)
    told = alertmanager.next(seconds=3)
    assert told is not None
    path, message = told
    assert (path, message["receiver"], message["status"]) == ("/alerts", "shop", "firing")
    assert message["commonLabels"] == labels


@pytest.mark.stack
def test_urgent_alerts_do_not_wait_for_each_other(alertmanager: Running) -> None:
    """The failure of a second queue, told apart by a label only, is a message of its own."""
    labels = {"alertname": "Fails", "severity": "critical", "team": "mes", "urgency": "now"}
    told = []
    for queue in ("first", "second", "third"):
        alertmanager.fire({**labels, "queue": queue})
        told.append(alertmanager.next(seconds=10))
    assert [
        each and (each[1]["receiver"], [alert["labels"]["queue"] for alert in each[1]["alerts"]])
        for each in told
    ] == [("mes", ["first"]), ("mes", ["second"]), ("mes", ["third"])]


@pytest.mark.stack
def test_an_urgent_alert_that_begins_again_is_told_again(alertmanager: Running) -> None:
    """Its end is told, and then the next failure as soon as the first."""
    labels = {"alertname": "Fails", "severity": "critical", "team": "mes", "urgency": "now"}
    said = []
    for ended in (False, True, False):
        alertmanager.fire(labels, ended=ended)
        told = alertmanager.next(seconds=10)
        said.append(told and told[1]["status"])
    assert said == ["firing", "resolved", "firing"]


@pytest.mark.stack
def test_the_heartbeat_is_told_again_and_again(alertmanager: Running) -> None:
    """Its page can tell within a minute that it stopped."""
    alertmanager.fire({"alertname": "Watchdog", "severity": "info", "team": "platform"})
    told = [alertmanager.next(seconds=3), alertmanager.next(seconds=20)]
    assert [each and each[0] for each in told] == ["/heartbeat", "/heartbeat"]


@pytest.mark.stack
def test_what_is_for_machines_is_told_to_nobody(alertmanager: Running) -> None:
    """It is seen on Alertmanager's page."""
    alertmanager.fire({"alertname": "x", "severity": "info", "team": "shop", "case": "info"})
    assert alertmanager.settles({"info": "active"}) == {"info": "active"}
    assert alertmanager.next(seconds=2) is None


def _cases(consequence: str, cause: str) -> dict[str, tuple[Labels, str]]:
    """Return alerts by their label ``case``, each with its state while *cause* fires."""
    on = CATALOGUE.alerts[consequence].inhibited_on
    same = dict.fromkeys(on, "same")
    return {
        "cause": ({"alertname": cause, **same}, "active"),
        "consequence": ({"alertname": consequence, **same}, "suppressed"),
        **{
            f"other {label}": ({"alertname": consequence, **same, label: "other"}, "active")
            for label in on
        },
    }


@pytest.mark.stack
def test_a_consequence_is_silent_while_its_cause_fires(alertmanager: Running) -> None:
    """For each pair of the catalogue; not where a label differs, nor once the cause has ended."""
    pairs = [
        (each.name, cause) for each in CATALOGUE.alerts.values() for cause in each.inhibited_by
    ]
    wrong = {}
    for consequence, cause in pairs:
        cases = _cases(consequence, cause)
        alerts = {case: {**labels, "case": case} for case, (labels, _) in cases.items()}
        during = {case: state for case, (_, state) in cases.items()}
        after = dict.fromkeys(list(cases)[1:], "active")
        alertmanager.fire(*alerts.values())
        seen = [alertmanager.settles(during)]
        alertmanager.fire(alerts["cause"], ended=True)
        seen.append(alertmanager.settles(after))
        alertmanager.fire(*alerts.values(), ended=True)
        seen.append(alertmanager.settles({}))
        if seen != [during, after, {}]:
            wrong[consequence, cause] = seen
    assert (wrong, pairs != []) == ({}, True)
