# SPDX-License-Identifier: Apache-2.0
"""How the way of a message is called, on its span and in labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_setup.instrumentation.messaging.naming import Naming

UUID = "0d3f6a52-7d9b-4c5e-9a77-2f4f1d0c8a11"


@pytest.mark.parametrize(
    ("exchange", "key", "name"),
    [
        ("orders", "order.placed", "orders:order.placed"),
        ("", "shop.orders", "shop.orders"),
        ("fanout", "", "fanout"),
        ("", "", "amq.default"),
        ("same", "same", "same"),
    ],
)
def test_what_is_sent(exchange: str, key: str, name: str) -> None:
    """Exchange and routing key, as far as there are any."""
    assert Naming().sent(exchange, key) == (name, name)


@pytest.mark.parametrize(
    ("exchange", "key", "queue", "name"),
    [
        ("orders", "order.placed", "mes.orders", "orders:order.placed:mes.orders"),
        ("", "mes.orders", "mes.orders", "mes.orders"),
        ("fanout", "", "mes.orders", "fanout:mes.orders"),
    ],
)
def test_what_is_received(exchange: str, key: str, queue: str, name: str) -> None:
    """And the queue behind it."""
    assert Naming().received(exchange, key, queue) == (name, name)


@pytest.mark.parametrize(
    ("key", "template"),
    [
        (f"user.{UUID}.created", "user.{id}.created"),
        (f"reply-{UUID}", "reply-{id}"),
        ("user.42.created", "user.{id}.created"),
        ("5f2b8c9d1e4a7f3c6b0d", "{id}"),
        ("v2.order.placed", "v2.order.placed"),
        ("shard-3", "shard-3"),
    ],
)
def test_ids_are_left_out_of_labels(key: str, template: str) -> None:
    """A span tells them; a label would get a new value for each message."""
    assert Naming().sent("ex", key) == (f"ex:{key}", f"ex:{template}")


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("user.*.created", "user.kate.created", True),
        ("user.*.created", "user.created", False),
        ("report.#", "report", True),
        ("report.#", "report.daily.moscow", True),
        ("report.#", "reports.daily", False),
        ("#.done", "done", True),
        ("#.done", "a.b.done", True),
        ("#", "anything.at.all", True),
        ("a.#.z", "a.z", True),
        ("a.+.z", "a.b.z", False),
    ],
)
def test_a_key_is_called_by_its_pattern(pattern: str, key: str, *, matches: bool) -> None:
    """A pattern means what it means to a topic exchange."""
    found = Naming([pattern]).sent("ex", key).template

    assert found == (f"ex:{pattern}" if matches else f"ex:{key}")


def test_patterns_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With commas, the first that matches."""
    monkeypatch.setenv("OTEL_SETUP_ROUTING_KEYS", "user.*, user.#,")

    naming = Naming.from_env()

    assert [naming.sent("", key).name for key in ("a", "b")] == ["a", "b"]
    assert naming.sent("ex", "user.kate").template == "ex:user.*"
    assert naming.sent("ex", "user.kate.created").template == "ex:user.#"


@pytest.mark.parametrize(
    ("queue", "label"),
    [
        ("mes.orders", "mes.orders"),
        ("orders-1", "orders-1"),
        ("amq.gen-JzTY20BRgKO-HjmUJj0wLg", "(anonymous)"),
        ("", "(anonymous)"),
        (f"replies.{UUID}", "replies.{id}"),
    ],
)
def test_queues_in_labels(queue: str, label: str) -> None:
    """Those that the broker names, or somebody after a UUID, are of any number."""
    assert Naming().queue(queue) == label


@given(st.lists(st.uuids(), min_size=2, max_size=50), st.sampled_from(["", "orders"]))
def test_any_number_of_ids_makes_one_label(ids: list[object], exchange: str) -> None:
    """Through the default exchange as well, where a key is a queue."""
    naming = Naming()

    assert len({naming.sent(exchange, f"reply.{each}").template for each in ids}) == 1
