# SPDX-License-Identifier: Apache-2.0
"""The life of an order in the MES: which state may follow which."""

from enum import StrEnum

from services_demo.messages import OrderState


class State(StrEnum):
    """Where an order is in the MES."""

    RECEIVED = "received"
    PRICED = "priced"
    PRICE_FAILED = "price_failed"
    APPROVED = "approved"
    CLAIMED = "claimed"
    MANUFACTURING = "manufacturing"
    FINISHED = "finished"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


#: What may follow. A cancellation stops work in progress, but not a ring that is finished.
NEXT: dict[State, tuple[State, ...]] = {
    State.RECEIVED: (State.PRICED, State.PRICE_FAILED, State.CANCELLED),
    State.PRICED: (State.PRICED, State.PRICE_FAILED, State.APPROVED, State.CANCELLED),
    # The customer may have accepted the price just before it was calculated anew.
    State.PRICE_FAILED: (State.PRICED, State.PRICE_FAILED, State.APPROVED, State.CANCELLED),
    State.APPROVED: (State.CLAIMED, State.REJECTED, State.CANCELLED),
    State.CLAIMED: (State.MANUFACTURING, State.REJECTED, State.CANCELLED),
    State.MANUFACTURING: (State.FINISHED, State.REJECTED, State.CANCELLED),
    State.FINISHED: (State.SHIPPED,),
    State.SHIPPED: (),
    State.CANCELLED: (),
    State.REJECTED: (),
}

#: What operators set themselves; the rest is the customer's, the calculation's or a claim.
BY_OPERATOR = (State.MANUFACTURING, State.FINISHED, State.SHIPPED, State.REJECTED)

#: An order whose price may still be calculated anew.
UNPRICED = (State.RECEIVED, State.PRICED, State.PRICE_FAILED)

_AS_OTHERS_SEE_IT = {
    State.RECEIVED: OrderState.PLACED,
    State.PRICE_FAILED: OrderState.PRICING_FAILED,
}


class TransitionRefused(Exception):
    """An order does not go to the state that was asked for; the text is for who asked."""

    reason = "refused"

    def __init__(self, source: State, target: State, message: str) -> None:
        super().__init__(message)
        self.source = source
        self.target = target


class IllegalTransition(TransitionRefused):
    """That state may not follow, or not by whoever asked."""

    reason = "illegal_transition"


class ClaimedByAnother(TransitionRefused):
    """Another operator makes this order."""

    reason = "claimed_by_another"


def check(source: State, target: State, among: tuple[State, ...] = tuple(State)) -> None:
    """
    Make sure that *target* may follow *source* and is *among* those that the caller may set.

    Raises:
        IllegalTransition: it may not; the text names both and what is allowed.
    """
    allowed = [str(state) for state in NEXT[source] if state in among]
    if target not in allowed:
        if State.CLAIMED in NEXT[source]:
            allowed.append("claimed, through the order's /claim")
        raise IllegalTransition(
            source,
            target,
            f"state={str(target)!r}: an order that is {str(source)!r} cannot become "
            f"{str(target)!r} this way. Allowed from here: {', '.join(allowed) or 'nothing'}.",
        )


def as_others_see_it(state: State) -> OrderState:
    """Return the name of *state* in messages."""
    return _AS_OTHERS_SEE_IT.get(state) or OrderState(state)
