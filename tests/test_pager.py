# SPDX-License-Identifier: Apache-2.0
"""The notification page as a program: what it takes, shows and refuses, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.pager_client import COMMAND, RUNBOOKS, Client, alert, webhook
from tests.programs import Server, free_port


@pytest.fixture(name="pager")
def _pager(tmp_path: Path) -> Iterator[Client]:
    port = free_port()
    document = tmp_path / "alerts.md"
    document.write_text(RUNBOOKS)
    # Nobody listens at its Prometheus: notifications must not need it.
    variables = {
        "PORT": str(port),
        "PAGER_PORT": str(port),
        "PAGER_RUNBOOKS": str(document),
        "PAGER_PROMETHEUS_URL": f"http://127.0.0.1:{free_port()}",
        "PAGER_GRAFANA_URL": "http://127.0.0.1:13000",
    }
    with Server(COMMAND, **variables) as server:
        server.wait()
        yield Client(port)


def test_a_notification_is_listed_with_its_links(pager: Client) -> None:
    """What Alertmanager posts is there at once, with times, and links of this machine."""
    given = alert(annotations={"summary": "S", "dashboard_url": "http://elsewhere/d/rabbitmq"})

    answered = pager.post("/alerts", webhook(given))

    (seen,) = pager.state()["notifications"]
    assert answered == (200, '{"taken": 1}')
    assert (seen["status"], seen["labels"]) == ("firing", given["labels"])
    assert seen["starts_at"] == pytest.approx(1777629600.123456)
    assert time.time() - seen["received_at"] < 10
    assert seen["links"] == {
        "runbook": "/runbooks/QueueHasNoConsumers",
        "dashboard": "http://127.0.0.1:13000/d/rabbitmq",
        "expression": "http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1",
        "traces": [],
    }


def test_the_page_shows_who_is_told_what(pager: Client) -> None:
    """Severity, team, summary, description and labels can be read on the first page."""
    pager.post("/alerts", webhook(alert()))

    status, text = pager.ask("GET", "/")

    assert status == 200
    shown = ("1 firing", "critical", "team platform", "Nobody takes orders.", "12 messages wait.")
    assert [each for each in (*shown, "queue=<code>mes.orders</code>") if each not in text] == []


def test_the_page_asks_for_itself_again(pager: Client) -> None:
    """It is refreshed without a script, which its own policy would not let run."""
    connection = http.client.HTTPConnection("127.0.0.1", pager._port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()

    assert '<meta http-equiv="refresh" content="5">' in answer.read().decode()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_nothing_that_was_sent_becomes_markup(pager: Client) -> None:
    """Labels and texts are shown as they were typed, and no link runs a script."""
    evil = "<script>alert('x')</script>"
    given = alert(
        labels={"alertname": evil, "severity": evil, "team": evil, evil: evil},
        annotations={"summary": evil, "description": evil},
        generatorURL="javascript:alert(1)",
    )
    pager.post("/alerts", webhook(given))

    _status, text = pager.ask("GET", "/")

    assert "<script" not in text
    assert "javascript:" not in text
    assert text.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") == 7


def test_an_end_belongs_to_its_start(pager: Client) -> None:
    """One alert that fired and ended is one notification, with both times."""
    pager.post("/alerts", webhook(alert()))
    pager.post("/alerts", webhook(alert(status="resolved")))

    (seen,) = pager.state()["notifications"]

    assert (seen["status"], seen["ends_at"]) == ("resolved", 1777629900.0)
    assert 0 < seen["received_at"] <= seen["resolved_at"]


def test_what_fires_stands_above_what_has_ended(pager: Client) -> None:
    """Newest first, and nothing that still fires is pushed down."""
    for name, status in (("First", "firing"), ("Second", "resolved"), ("Third", "firing")):
        pager.post("/alerts", webhook(alert(name, status)))

    seen = [each["labels"]["alertname"] for each in pager.state()["notifications"]]

    assert seen == ["Third", "First", "Second"]


def test_a_heartbeat_is_seen(pager: Client) -> None:
    """The monitoring counts as alive from the first heartbeat on."""
    before = pager.state()["heartbeat"]
    answered = pager.post("/heartbeat", webhook(alert("Watchdog")))
    after = pager.state()["heartbeat"]

    assert before == {"state": "waiting", "age_seconds": None}
    assert answered == (200, '{"alive": true}')
    assert after["state"] == "alive"
    assert 0 <= after["age_seconds"] < 10


def test_the_end_of_the_watchdog_is_no_heartbeat(pager: Client) -> None:
    """An alert that always fires and has ended is a bad sign, not a sign of life."""
    answered = pager.post("/heartbeat", webhook(alert("Watchdog", "resolved")))

    assert answered == (200, '{"alive": false}')
    assert pager.state()["heartbeat"]["state"] == "waiting"


def test_a_refused_body_leaves_the_pager_as_it_was(pager: Client) -> None:
    """Bad input is answered with 400, and the next good one is taken."""
    refused = pager.post("/alerts", b'{"version": "3"}')
    taken = pager.post("/alerts", webhook(alert()))

    assert refused == (400, "version='3': expected '4', the webhook of Alertmanager.")
    assert taken == (200, '{"taken": 1}')


def test_a_body_that_is_too_large_is_refused(pager: Client) -> None:
    """The answer has the size, the bound and the setting that keeps within it."""
    seen = pager.post("/alerts", b" " * 3_000_000)

    assert seen == (
        413,
        (
            "a body of 3000000 bytes: at most 1000000 are taken. "
            "Set max_alerts in Alertmanager's webhook_configs."
        ),
    )


def test_a_body_without_a_length_is_refused(pager: Client) -> None:
    """A body in chunks has no length that one could check before."""
    seen = pager.ask("POST", "/alerts", **{"Content-Length": "many"})

    assert seen[0] == 411
    assert "Content-Length='many': expected a whole number." in seen[1]


def test_a_wrong_address_names_the_right_ones(pager: Client) -> None:
    """Both ways, reading and writing."""
    got, posted = pager.ask("GET", "/alert"), pager.post("/alert", webhook(alert()))

    assert got[0] == 404
    assert "There are /, /api/notifications, /healthz and /runbooks/<name of an alert>." in got[1]
    assert posted == (404, "'/alert': post to /alerts or to /heartbeat.")


def test_half_a_character_is_shown_all_the_same(pager: Client) -> None:
    """JSON can hold what no encoding can: it neither stops the page nor the list."""
    pager.post("/alerts", webhook(alert(annotations={"summary": "\ud800"})))

    assert [pager.ask("GET", path)[0] for path in ("/", "/api/notifications")] == [200, 200]


def test_a_client_that_goes_away_harms_nobody(pager: Client) -> None:
    """Connections that are opened and dropped in the middle leave the pager serving."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", pager._port)) as connection:
            connection.sendall(b"POST /alerts HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")

    assert pager.ask("GET", "/healthz") == (200, "ok\n")


def test_a_runbook_is_its_section_alone(pager: Client) -> None:
    """From its heading to the next one, as HTML; HTML in it stays text."""
    status, text = pager.ask("GET", "/runbooks/QueueHasNoConsumers")

    body = text.partition("</style>")[2]
    assert status == 200
    assert "<h3>QueueHasNoConsumers</h3>" in body
    assert [each for each in ("An event fails", "chapter", "<script", "id=") if each in body] == []


def test_a_line_of_code_is_no_heading(pager: Client) -> None:
    """What looks like one in a block of code neither ends a runbook nor begins one."""
    _status, text = pager.ask("GET", "/runbooks/EventHandlingFails")

    assert "Still the same." in text
    assert pager.ask("GET", "/runbooks/InCode")[0] == 404


def test_links_of_a_runbook_lead_somewhere(pager: Client) -> None:
    """To other runbooks here and out to the web; what is not served here is no link."""
    _status, text = pager.ask("GET", "/runbooks/QueueHasNoConsumers")

    assert '<a href="/runbooks/EventHandlingFails">another</a>' in text
    assert '<a href="https://www.rabbitmq.com/">the manual</a>' in text
    assert "<a>all</a>" in text


def test_an_unknown_runbook_names_the_known(pager: Client) -> None:
    """Chapters are no runbooks."""
    status, text = pager.ask("GET", "/runbooks/%3Cb%3E")

    assert status == 404
    assert "There is no runbook &#x27;&lt;b&gt;&#x27;" in text
    assert [
        name for name in ("EventHandlingFails", "QueueHasNoConsumers") if name not in text
    ] == []
    assert "Broker" not in text


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    """The variable, its value and the reason; the other pages serve."""
    port = free_port()
    missing = tmp_path / "none.md"
    variables = {"PORT": str(port), "PAGER_PORT": str(port), "PAGER_RUNBOOKS": str(missing)}
    with Server(COMMAND, **variables) as server:
        server.wait()
        status, text = Client(port).ask("GET", "/runbooks/Any")

    assert status == 404
    assert json.loads(text)["error"]["message"] == (
        f"PAGER_RUNBOOKS={str(missing)!r} cannot be read: No such file or directory."
    )


def test_a_taken_port_is_named(pager: Client) -> None:
    """A second pager on the same port says so in one line."""
    ended = psutil.Popen(
        COMMAND,
        env={"PAGER_PORT": str(pager._port)},
        cwd=Path(__file__).parents[1],
        stderr=-1,
        text=True,
    )
    _out, text = ended.communicate(timeout=30)

    assert ended.returncode == 2
    assert text == (
        f"PAGER_HOST='127.0.0.1' PAGER_PORT={pager._port}: Address already in use. "
        "Choose another port.\n"
    )


def test_it_stays_small(tmp_path: Path) -> None:
    """After a storm of notifications it holds less than 30 MB."""
    port = free_port()
    variables = {"PORT": str(port), "PAGER_PORT": str(port), "MALLOC_ARENA_MAX": "1"}
    state = str(tmp_path / "kept.json")
    with Server(COMMAND, **variables, PAGER_STATE_FILE=state) as server:
        server.wait()
        client = Client(port)
        for number in range(100):
            storm = [alert(f"A{number}x{each}", "resolved") for each in range(20)]
            client.post("/alerts", webhook(*storm))
        client.ask("GET", "/")
        size = psutil.Process(server._process.pid).memory_info().rss
        kept = len(client.state()["notifications"])

    assert kept == 200
    assert size < 30e6
