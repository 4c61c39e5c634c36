# SPDX-License-Identifier: Apache-2.0
"""A message that a service cannot handle is found by its trace, mended, replayed and handled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pika
import psycopg
import pytest

from e2e.running import Stack, poll_until, run_stack
from services_demo.stack import infrastructure
from services_demo.traffic.shapes import model_file

# It leaves failures behind, of which the alerts tell.
pytestmark = [pytest.mark.stack, pytest.mark.kills, pytest.mark.timeout(400)]

_QUEUE = "mes.orders"


def _letters(stack: Stack, *words: str) -> Any:
    """Run the command as an operator does, and return what it answers as JSON."""
    ended = run_stack("dead-letters", *words, **stack.variables, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def _waiting(stack: Stack) -> float:
    # A worker that ended is seen for five minutes otherwise.
    gauge = f'last_over_time(dead_letters_waiting{{messaging_destination_name="{_QUEUE}"}}[20s])'
    found = stack.query(f"sum(max by (reason) ({gauge}))")
    return found[0].value if found else -1


def _price(stack: Stack, order: str) -> list[tuple[Any, ...]]:
    return stack.rows(
        "shop",
        "SELECT state FROM customer_order WHERE order_id = %s AND price_cents IS NOT NULL",
        order,
    )


@pytest.fixture(name="broken")
def _broken(stack: Stack) -> Iterator[psycopg.Connection]:
    """A fault of the MES: its database takes no new orders until somebody mends it."""
    url = infrastructure.database_url(stack.place, "mes", "mes")
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(
            "ALTER TABLE manufacturing_order ADD CONSTRAINT broken CHECK (false) NOT VALID"
        )
        yield database
        database.execute("ALTER TABLE manufacturing_order DROP CONSTRAINT IF EXISTS broken")


@pytest.mark.usefixtures("busy")
def test_an_order_goes_on_after_its_message_died(stack: Stack, broken: psycopg.Connection) -> None:
    """Its dead letter has the order's trace; when the cause is mended a replay brings the price."""
    others = ("--queue", _QUEUE, "--because", "of other tests")
    run_stack("dead-letters", "drop", *others, **stack.variables, timeout=60)
    poll_until(lambda: _waiting(stack), lambda value: value == 0, "no letter before", 60)
    with stack.customer("dead@example.com") as customer:
        ring = model_file("ring", "small", 5)
        path = f"/models?filename={ring.filename}"
        model = customer.post(path, content=ring.content).json()["model_id"]
        wish = {"model_id": model, "material": "gold", "quantity": 1}
        order = customer.post("/orders", json=wish).json()["order_id"]

    (letter,) = poll_until(
        lambda: _letters(stack, "list", "--json", "--queue", _QUEUE), bool, "the dead letter", 60
    )
    assert (letter["reason"], letter["event"]) == ("delivery_limit", "order.placed")
    spans = _trace(stack, letter["trace_id"])
    assert {"shop-api", "mes-worker"} <= {each["localEndpoint"]["serviceName"] for each in spans}
    shown = _letters(stack, "show", str(letter["dead_letter_id"]), "--json")
    assert (shown["body"]["order_id"], shown["contract"]) == (order, "kept")
    assert "dead@example.com" not in json.dumps(shown)
    poll_until(lambda: _waiting(stack), lambda value: value == 1, "one letter in the metric", 30)
    assert _price(stack, order) == []

    broken.execute("ALTER TABLE manufacturing_order DROP CONSTRAINT broken")
    ended = run_stack("dead-letters", "replay", "--queue", _QUEUE, **stack.variables, timeout=60)

    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "1 of 1 done"), ended.stderr
    poll_until(lambda: _price(stack, order), bool, "the price of the order", 60)
    poll_until(lambda: _waiting(stack), lambda value: value == 0, "the metric to return to 0", 30)
    handled = stack.query('dead_letters_handled_total{action="replayed", reason="delivery_limit"}')
    assert max(each.value for each in handled) == 1
    _assert_the_replay_is_in(stack, letter["trace_id"])


def _trace(stack: Stack, trace_id: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{stack.url('zipkin')}/api/v2/trace/{trace_id}", timeout=10)
    return list(answer.json()) if answer.is_success else []


def _assert_the_replay_is_in(stack: Stack, trace_id: str) -> None:
    """The trace of the order goes on through the replay into the MES."""

    def names() -> set[tuple[str, str]]:
        return {
            (each["localEndpoint"]["serviceName"], each["name"]) for each in _trace(stack, trace_id)
        }

    replay = ("crm-dead-letters", f"replay {_QUEUE}")
    assert replay in poll_until(names, lambda seen: replay in seen, "the replay in the trace", 30)


@pytest.mark.usefixtures("busy")
def test_a_message_that_nobody_understands_is_dropped_with_a_reason(stack: Stack) -> None:
    """It is refused at once; what becomes of it stays in the table and in the metric."""
    place = stack.place
    url = f"amqp://{infrastructure.RABBITMQ_USER}:{place.secret}@{place.address('amqp')}/%2F"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        made = pika.BasicProperties(type="order.melted", headers={"traceparent": b"\xff"})
        connection.channel().basic_publish("", _QUEUE, b"\xff\xfe", made)
    began = time.time()

    (letter,) = poll_until(
        lambda: _letters(stack, "list", "--json", "--event", "order.melted"), bool, "it", 60
    )
    assert time.time() - began < 60
    assert (letter["queue"], letter["reason"]) == (_QUEUE, "rejected")
    ended = run_stack(
        *("dead-letters", "drop", str(letter["dead_letter_id"]), "--because", "not an event"),
        **stack.variables,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    kept = "SELECT state, because FROM dead_letter WHERE event = 'order.melted'"
    assert stack.rows("crm", kept) == [("dropped", "not an event")]
    poll_until(
        lambda: stack.query('dead_letters_handled_total{action="dropped"} > 0'), bool, "it", 30
    )
