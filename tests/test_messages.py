# SPDX-License-Identifier: Apache-2.0
"""The contracts between the services."""

import json
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from services_demo import messages
from services_demo.messages import Material, OrderState

# Always the same: it is part of the names of tests.
ORDER = UUID("c9b2de92-eaf3-40a8-aafd-508a8aaf2790")

EVERY_MESSAGE = [
    messages.OrderPlaced(
        order_id=ORDER,
        customer_id=uuid4(),
        customer_email="anna@example.org",
        customer_name="Anna Öz",
        model_key="ring.stl",
        model_format="stl",
        material=Material.GOLD,
        quantity=2,
    ),
    messages.OrderPriced(order_id=ORDER, price_cents=12_345),
    messages.OrderPricingFailed(order_id=ORDER, reason="The model is not closed."),
    messages.OrderApproved(order_id=ORDER, price_cents=12_345),
    messages.OrderCancelled(order_id=ORDER),
    messages.OrderStateChanged(
        order_id=ORDER, from_state=OrderState.APPROVED, to_state=OrderState.CLAIMED
    ),
]


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda message: message.routing_key)
def test_every_message_survives_the_journey(message: messages.Message) -> None:
    """What was sent is what is read, time zone and id included."""
    assert messages.parse(message.routing_key, message.to_json().encode()) == message


def test_a_state_change_travels_as_from_and_to() -> None:
    """The names in the body are those of the contract, not of Python."""
    body = json.loads(EVERY_MESSAGE[-1].to_json())
    assert (body["from"], body["to"], body["schema_version"]) == ("approved", "claimed", 1)


def test_an_unknown_type_is_named_with_the_known_ones() -> None:
    """Who reads the log sees what was sent and what may be."""
    with pytest.raises(ValueError, match=r"'order\.melted': expected one of order\.approved, "):
        messages.parse("order.melted", b"{}")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"not json", "body: json_invalid"),
        (b"\xff\xfe", "body: json_invalid"),
        (b"[]", "body: model_type"),
        (b"{}", "order_id: missing"),
        (b'{"order_id": "secret", "price_cents": 1}', "order_id: uuid_parsing"),
        (f'{{"order_id": "{ORDER}", "price_cents": -1}}', "price_cents: greater_than_equal"),
        (f'{{"order_id": "{ORDER}", "price_cents": 1, "x": 1}}', "x: extra_forbidden"),
        (f'{{"order_id": "{ORDER}", "price_cents": 1, "schema_version": 2}}', "schema_version"),
        (f'{{"order_id": "{ORDER}", "price_cents": 1, "occurred_at": "2026-01-01T00:00"}}', "zone"),
    ],
)
def test_a_broken_body_is_refused_by_field_without_its_value(body: bytes, fault: str) -> None:
    """The reason names the field; values stay out of the log."""
    with pytest.raises(ValueError, match=r"order\.priced breaks its contract") as refused:
        messages.parse("order.priced", body)
    assert fault in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_message_cannot_be_changed() -> None:
    """What has been written to the outbox must be what is sent."""
    with pytest.raises(ValidationError, match="frozen"):
        EVERY_MESSAGE[1].price_cents = 1  # type: ignore[attr-defined]


def test_no_sequence_of_events_makes_services_disagree() -> None:
    """Whatever comes first, the furthest state wins everywhere."""
    manufacturing = [OrderState.CLAIMED, OrderState.CANCELLED, OrderState.FINISHED]
    for sequence in permutations(manufacturing):
        state = OrderState.APPROVED
        for new in sequence:
            state = new if messages.advances(state, new) else state
        assert state is OrderState.FINISHED


@pytest.mark.parametrize("state", OrderState)
def test_no_state_advances_to_itself(state: OrderState) -> None:
    """A message that comes twice changes nothing."""
    assert not messages.advances(state, state)
