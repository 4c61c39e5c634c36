# SPDX-License-Identifier: Apache-2.0
"""The life of an order in the MES."""

from itertools import pairwise, product

import pytest

from services_demo.mes import states
from services_demo.mes.states import NEXT, IllegalTransition, State
from services_demo.messages import OrderState, advances

USUAL = ["received", "priced", "approved", "claimed", "manufacturing", "finished", "shipped"]


@pytest.mark.parametrize(("source", "target"), list(pairwise(USUAL)))
def test_the_usual_way_is_open(source: str, target: str) -> None:
    """An order that nothing happens to gets shipped."""
    states.check(State(source), State(target))


@pytest.mark.parametrize(("source", "target"), list(product(State, State)))
def test_what_the_table_does_not_name_is_refused(source: State, target: State) -> None:
    """All hundred pairs: legal ones pass, the others raise."""
    if target in NEXT[source]:
        states.check(source, target)
    else:
        with pytest.raises(IllegalTransition):
            states.check(source, target)


def test_a_refusal_names_both_states_and_what_is_allowed() -> None:
    """An operator learns what to do instead."""
    with pytest.raises(IllegalTransition) as refused:
        states.check(State.MANUFACTURING, State.SHIPPED)
    assert str(refused.value) == (
        "state='shipped': an order that is 'manufacturing' cannot become 'shipped' this way. "
        "Allowed from here: finished, rejected, cancelled."
    )


def test_an_operator_is_told_to_claim_first() -> None:
    """Claiming is a step of its own, because it says who makes the order."""
    with pytest.raises(IllegalTransition, match="rejected, claimed, through the order's /claim"):
        states.check(State.APPROVED, State.MANUFACTURING, states.BY_OPERATOR)


def test_an_operator_cannot_set_a_price_or_an_approval() -> None:
    """Those are the calculation's and the customer's, though the table allows them."""
    with pytest.raises(IllegalTransition, match="Allowed from here: nothing"):
        states.check(State.RECEIVED, State.PRICED, states.BY_OPERATOR)


@pytest.mark.parametrize("state", [State.SHIPPED, State.CANCELLED, State.REJECTED])
def test_an_end_is_an_end(state: State) -> None:
    """Nothing follows."""
    assert NEXT[state] == ()


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_name_for_the_others(state: State) -> None:
    """Shop and CRM know each state by one of theirs."""
    assert states.as_others_see_it(state) in OrderState


@pytest.mark.parametrize(
    ("source", "target"),
    [(s, t) for s in State for t in NEXT[s] if s not in states.UNPRICED],
)
def test_what_the_mes_allows_the_others_follow(source: State, target: State) -> None:
    """The order of states in messages never holds back a legal change."""
    assert advances(states.as_others_see_it(source), states.as_others_see_it(target))
