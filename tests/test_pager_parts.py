# SPDX-License-Identifier: Apache-2.0
"""The parts of the notification page that need no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services_demo.pager import page, runbooks, settings
from services_demo.pager.heart import Heart
from services_demo.pager.inbox import Inbox
from services_demo.pager.notification import BadWebhookError, parse
from tests.pager_client import RUNBOOKS, alert, moment, told, webhook


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is no JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe", "the body is no JSON: "),
        (b"[" * 100_000, "the body is no JSON: "),
        (b"[]", "the body=[]: expected an object."),
        (b'{"version": "3"}', "version='3': expected '4', the webhook of Alertmanager."),
        (b'{"version": "4"}', "alerts=None: expected a list."),
        (webhook(7), "alerts[0]=7: expected an object."),  # type: ignore[arg-type]
        (
            webhook(alert(status="gone")),
            "alerts[0].status='gone': expected 'firing' or 'resolved'.",
        ),
        (webhook(alert(labels=["a"])), "alerts[0].labels=['a']: expected an object."),
        (webhook(alert(labels={"a": 1})), "alerts[0].labels.a=1: expected a text."),
        (webhook(alert(fingerprint=None)), "alerts[0].fingerprint=None: expected a text."),
        (
            webhook(alert(), alert(startsAt="yesterday")),
            "alerts[1].startsAt='yesterday': expected a time like '2030-01-31T12:00:00.5Z'.",
        ),
        (
            webhook(alert(startsAt="2030-01-31T12:00:00")),
            "alerts[0].startsAt='2030-01-31T12:00:00': expected a time like",
        ),
        (
            webhook(alert(startsAt="9999-12-31T23:59:59-23:59")),
            "alerts[0].startsAt='9999-12-31T23:59:59-23:59': expected a time like",
        ),
    ],
)
def test_a_bad_webhook_is_answered_with_its_problem(body: bytes, message: str) -> None:
    """The place, its value and what was expected; nothing of the body is kept."""
    with pytest.raises(BadWebhookError) as caught:
        parse(body)

    assert str(caught.value).startswith(message)


def test_a_storm_is_bounded(tmp_path: Path) -> None:
    """Of many the last are kept, what fires before what has ended, whatever was sent."""
    file = tmp_path / "kept.json"
    inbox = Inbox(3, file)
    for number in range(50):
        inbox.take([told(f"Ended{number}", "resolved"), told(f"Fires{number % 2}")], number)

    kept = [each.name for each in inbox.newest_first()]

    assert kept == ["Fires1", "Fires0", "Ended49"]
    assert len(json.loads(file.read_text())) == 3


def test_long_texts_are_cut() -> None:
    """No alert takes more room than its bound."""
    texts = {f"label{number}": "x" * 10_000 for number in range(100)}
    (seen,) = parse(webhook(alert(labels=texts, generatorURL="http://a/" + "x" * 10_000)))

    assert len(seen.labels) == 64
    assert {len(value) for value in seen.labels.values()} == {2000}
    assert seen.expression_url == ""


def test_a_repetition_is_no_news() -> None:
    """Alertmanager repeats what goes on; only the description is brought up to date."""
    inbox = Inbox(10)
    first = inbox.take([told()], 1.0)
    (again,) = parse(webhook(alert("A", annotations={"description": "now 13"}, startsAt=moment(0))))

    news = inbox.take([again], 2.0)

    (kept,) = inbox.newest_first()
    assert ([each.name for each in first], news) == (["A"], [])
    assert (kept.received_at, kept.annotations) == (1.0, {"description": "now 13"})


def test_the_same_alert_at_another_time_is_another_notification() -> None:
    """An alert that came back is told again."""
    inbox = Inbox(10)
    inbox.take([told(starts_at=100)], 101)
    inbox.take([told(starts_at=100, status="resolved")], 201)
    inbox.take([told(starts_at=300)], 301)

    assert [(each.starts_at, each.status) for each in inbox.newest_first()] == [
        (300, "firing"),
        (100, "resolved"),
    ]


def test_what_was_told_outlives_a_restart(tmp_path: Path) -> None:
    """A pager that was killed shows the same when it is back."""
    file = tmp_path / "kept.json"
    before = Inbox(10, file)
    before.take([told("A"), told("B", "resolved")], 1.0)
    before.add_traces(told("A").key, ("0123456789abcdef",))

    after = Inbox(10, file)

    assert after.newest_first() == before.newest_first()


@pytest.mark.parametrize("text", ["", "{", "7", "[7]", '[{"fingerprint": "x"}]', "\x00"])
def test_a_broken_file_begins_empty(tmp_path: Path, text: str) -> None:
    """Whatever lies in the file, the pager starts."""
    file = tmp_path / "kept.json"
    file.write_text(text)

    assert Inbox(10, file).newest_first() == []


def test_a_file_that_cannot_be_written_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The notification is taken all the same."""
    inbox = Inbox(10, tmp_path / "no such folder" / "kept.json")

    news = inbox.take([told()], 1.0)

    assert len(news) == 1
    assert "notifications are kept in memory only: " in caplog.text


def test_silence_is_told_after_its_bound() -> None:
    """Waiting, alive, silent: also when no heartbeat ever came."""
    never, once = Heart(60, 1000.0), Heart(60, 1000.0)
    once.beat(1050.0)

    assert [never.state(now) for now in (1000, 1060, 1061)] == ["waiting", "waiting", "silent"]
    assert [once.state(now) for now in (1061, 1110, 1111)] == ["alive", "alive", "silent"]


def test_silence_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each change of the state is one line."""
    caplog.set_level("INFO")
    heart = Heart(60, 0.0)
    heart.beat(0.0)
    for now in (1, 2, 61, 62, 63):
        heart.say(now)
    heart.beat(64.0)
    heart.say(64.0)

    assert [record.message for record in caplog.records] == [
        "monitoring is alive",
        "MONITORING IS SILENT: no heartbeat for more than 60 s",
        "monitoring is alive",
    ]


def test_silence_is_the_first_thing_on_the_page() -> None:
    """The red line stands above everything, and nobody is told that nothing fires."""
    heart = Heart(60, 0.0)
    heart.beat(0.0)

    text = page.notifications([], heart, settings.Settings(), 100.0)

    assert "MONITORING IS SILENT" in text
    assert "The last heartbeat came 100 s ago." in text
    assert "<title>SILENT · pager</title>" in text
    assert "Nothing fires." not in text


@pytest.mark.parametrize(
    ("grafana_url", "link"),
    [
        ("http://127.0.0.1:13000", '<a href="http://127.0.0.1:13000/d/rabbitmq">RabbitMQ</a>'),
        ("", "<a>RabbitMQ</a>"),
    ],
)
def test_a_dashboard_is_linked_where_it_is(tmp_path: Path, grafana_url: str, link: str) -> None:
    """The runbook was written for the default port; without Grafana it is no link."""
    file = tmp_path / "alerts.md"
    file.write_text("### QueueGrows\n\n[RabbitMQ](http://127.0.0.1:3000/d/rabbitmq)\n")
    given = settings.Settings(runbooks=file, grafana_url=grafana_url)

    assert link in runbooks.section("QueueGrows", given)


def test_a_query_of_a_runbook_can_be_run(tmp_path: Path) -> None:
    """Its link opens Prometheus with the expression."""
    file = tmp_path / "alerts.md"
    file.write_text(RUNBOOKS)

    html = runbooks.section("QueueHasNoConsumers", settings.Settings(runbooks=file))

    query = (
        "sum%20by%20%28queue%29%20%28rabbitmq_queue_consumers%7Bqueue%3D%22a%26b%22%7D%29%20%3C%201"
    )
    assert f'href="http://127.0.0.1:9090/query?g0.expr={query}&amp;g0.tab=0">run</a>' in html
    assert "{queue=&quot;a&amp;b&quot;}) &lt; 1\n</code>" in html


def test_all_wrong_variables_are_named_at_once() -> None:
    """Each has a line with its value and the rule."""
    wrong = {
        "PAGER_PORT": "eighty",
        "PAGER_HOST": "a b",
        "PAGER_KEEP": "0",
        "PAGER_HEARTBEAT_SECONDS": "nan",
        "PAGER_PROMETHEUS_URL": "localhost:9090",
        "PAGER_TRACE_URL": "http://traces/",
    }

    with pytest.raises(settings.ConfigurationError) as caught:
        settings.read(wrong)

    assert str(caught.value).splitlines() == [
        f"PAGER_{line}. Change it and start again."
        for line in (
            "HOST='a b': expected an address of this machine like 127.0.0.1",
            "PORT='eighty': expected a whole number from 1 to 65535",
            "KEEP='0': expected a whole number from 1 to 10000",
            "HEARTBEAT_SECONDS='nan': expected seconds from 1 to 86400",
            "PROMETHEUS_URL='localhost:9090': expected an address like http://127.0.0.1:9090",
            "TRACE_URL='http://traces/': expected an address with {trace_id} in it",
        )
    ]


def test_an_empty_variable_is_none() -> None:
    """Its default counts."""
    assert settings.read({"PAGER_PORT": "", "PAGER_STATE_FILE": ""}) == settings.Settings()
