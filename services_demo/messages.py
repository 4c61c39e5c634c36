# SPDX-License-Identifier: Apache-2.0
"""
The contracts between the services: every event that may travel, and the life of an order.

A message is sent to the topic exchange `orders` with its ``routing_key``, which is also
its AMQP ``type``. A change that old readers cannot understand gets a new
``schema_version``; the old one stays readable until no queue holds it any more.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID, uuid4

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
)


class Material(StrEnum):
    """What an order can be made of."""

    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"
    RESIN = "resin"


class OrderState(StrEnum):
    """How far an order has come, as customers and sales see it."""

    PLACED = "placed"
    PRICED = "priced"
    PRICING_FAILED = "pricing_failed"
    APPROVED = "approved"
    CLAIMED = "claimed"
    MANUFACTURING = "manufacturing"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FINISHED = "finished"
    SHIPPED = "shipped"


# Every service orders the states alike, so all three end in the same one whatever sequence
# the events arrive in. A cancellation stops work in progress but comes too late for a ring
# that is finished.
_PROGRESS = {
    OrderState.PLACED: 0,
    OrderState.PRICED: 1,
    OrderState.PRICING_FAILED: 1,
    OrderState.APPROVED: 2,
    OrderState.CLAIMED: 3,
    OrderState.MANUFACTURING: 4,
    OrderState.CANCELLED: 5,
    OrderState.REJECTED: 6,
    OrderState.FINISHED: 7,
    OrderState.SHIPPED: 8,
}


def advances(current: OrderState, new: OrderState) -> bool:
    """Tell whether *new* is further than *current*: late events must not turn an order back."""
    return _PROGRESS[new] > _PROGRESS[current]


class Message(BaseModel):
    """What every event carries. An unknown field is an error: the contract says all."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)
    routing_key: ClassVar[str]

    schema_version: Literal[1] = 1
    message_id: UUID = Field(default_factory=uuid4)
    occurred_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    order_id: UUID

    def to_json(self) -> str:
        """Return the body that travels."""
        return self.model_dump_json(by_alias=True)


class OrderPlaced(Message):
    """A customer ordered a model. Sent by the Shop."""

    routing_key = "order.placed"

    customer_id: UUID
    customer_email: str
    customer_name: str
    model_key: str
    model_format: Literal["stl", "obj"]
    material: Material
    quantity: PositiveInt


class OrderPriced(Message):
    """The price for all pieces of the order is known. Sent by the MES, again if recalculated."""

    routing_key = "order.priced"

    price_cents: NonNegativeInt
    currency: Literal["EUR"] = "EUR"


class OrderPricingFailed(Message):
    """The order cannot be priced, for a reason that the customer can read. Sent by the MES."""

    routing_key = "order.pricing_failed"

    reason: str


class OrderApproved(Message):
    """The customer accepted this price. Sent by the Shop."""

    routing_key = "order.approved"

    price_cents: NonNegativeInt
    currency: Literal["EUR"] = "EUR"


class OrderCancelled(Message):
    """The customer does not want the order any more. Sent by the Shop."""

    routing_key = "order.cancelled"


class OrderStateChanged(Message):
    """Manufacturing went on: claimed, manufacturing, finished, shipped, or rejected. By the MES."""

    routing_key = "order.state_changed"

    from_state: OrderState = Field(validation_alias="from", serialization_alias="from")
    to_state: OrderState = Field(validation_alias="to", serialization_alias="to")


_BY_KEY: dict[str, type[Message]] = {
    contract.routing_key: contract
    for contract in (
        OrderPlaced,
        OrderPriced,
        OrderPricingFailed,
        OrderApproved,
        OrderCancelled,
        OrderStateChanged,
    )
}


def parse(routing_key: str, body: bytes | str) -> Message:
    """
    Return the message that *body* holds.

    Raises:
        ValueError: an unknown key, or a body that breaks its contract. Field names are in
            the text but no values, so that it may be logged.
    """
    contract = _BY_KEY.get(routing_key)
    if contract is None:
        known = ", ".join(sorted(_BY_KEY))
        raise ValueError(f"message type {routing_key!r}: expected one of {known}.")
    try:
        return contract.model_validate_json(body)
    except ValidationError as error:
        raise ValueError(f"{routing_key} breaks its contract: {_faults(error)}") from None


def _faults(error: ValidationError) -> str:
    """Say which fields are wrong and why, without what they held: it may be personal."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'body'}: {fault['type']}"
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    )
