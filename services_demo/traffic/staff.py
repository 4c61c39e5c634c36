# SPDX-License-Identifier: Apache-2.0
"""The staff: operators manufacture what was approved, sales look after customers."""

from __future__ import annotations

from typing import Any

from services_demo.traffic.plan import Plan
from services_demo.traffic.user import CompanyUser

_ORDER = "/operator/orders/{order_id}"
# What an operator does with an order, in this sequence; a claim is its own request.
_STEPS = ("claimed", "manufacturing", "finished", "shipped")
_LISTS = ("received", "priced", "price_failed", "approved", *_STEPS)
_QUESTIONS = ("placed", "priced", "approved", "manufacturing", "finished", "shipped")
_CONFLICT = 409


class Operator(CompanyUser):
    """Takes approved orders from the list and brings them through manufacturing to shipment."""

    host = Plan.mes

    def visit(self) -> None:
        """Work one shift."""
        self.token = ""
        name = f"operator-{self.number}"
        self.token = self.post("/operator/sessions", json={"operator": name}).body["token"]
        self._complete_old_ones(name)
        for _ in range(self.random.randrange(10, 30)):
            work = self.random.choices(
                (self._manufacture, self._browse, self._reprice), (85, 12, 3)
            )
            work[0]()
        self.delete("/operator/sessions")

    def _manufacture(self) -> None:
        """Take any approved order of the page: operators who all take the first are in the way."""
        orders = self._list("approved", page=1, size=20)
        if not orders:
            self.pause(0.5, 1.5)
            return
        order_id = str(self.random.choice(orders)["order_id"])
        self.get(f"/operator/orders/{order_id}", route=_ORDER)
        claim = self.post(
            f"/operator/orders/{order_id}/claim", route=f"{_ORDER}/claim", expected=(_CONFLICT,)
        )
        if claim.status != _CONFLICT:
            self._complete(order_id, after="claimed")

    def _complete(self, order_id: str, after: str) -> None:
        """Bring an own order from that state to shipment, as far as nobody else did."""
        for state in _STEPS[_STEPS.index(after) + 1 :]:
            answer = self.post(
                f"/operator/orders/{order_id}/state",
                route=f"{_ORDER}/state",
                json={"state": state},
                expected=(_CONFLICT,),
            )
            if answer.status == _CONFLICT:
                return
            self.plan.score.finished += state == "finished"
            if state == "manufacturing":
                self.pause(1.0, 3.0)
            else:
                self.pause(0.3, 1.0)

    def _complete_old_ones(self, name: str) -> None:
        """Complete what was claimed and left when the traffic, or an answer, stopped half-way."""
        for state in _STEPS[:-1]:
            for order in self._list(state, page=1, size=100):
                if order["operator"] == name:
                    self._complete(str(order["order_id"]), after=state)

    def _browse(self) -> None:
        """Look through one state of the list, sometimes with large pages and far back."""
        state = self.random.choice(_LISTS)
        self._list(
            state, page=self.random.choice((1, 1, 2, 5)), size=self.random.choice((20, 20, 50, 100))
        )
        self.pause(0.3, 1.0)

    def _reprice(self) -> None:
        """Ask for a price again; that the customer decides meanwhile is no error."""
        orders = self._list("priced", page=1, size=20)
        if not orders:
            return
        order = {"order_id": self.random.choice(orders)["order_id"]}
        answer = self.post("/price-calculations", json=order, expected=(_CONFLICT,))
        if answer.status == _CONFLICT:
            return
        self.pause(0.5, 1.5)
        self.get(
            f"/price-calculations/{answer.body['task_id']}", route="/price-calculations/{task_id}"
        )

    def _list(self, state: str, *, page: int, size: int) -> list[dict[str, Any]]:
        path = f"/operator/orders?state={state}&page={page}&size={size}"
        return self.get(path, route="/operator/orders").items


class Sales(CompanyUser):
    """Looks up customers, and whether they were told about their orders."""

    host = Plan.crm

    def visit(self) -> None:
        """Answer one question of a customer on the telephone."""
        search = self.random.choice(("", "", "&q=ada", "&q=opal"))
        customers = self.get(f"/customers?page=1&size=20{search}", route="/customers")
        if customers.items:
            customer_id = self.random.choice(customers.items)["customer_id"]
            self.get(f"/customers/{customer_id}", route="/customers/{customer_id}")
        self.pause(0.5, 2.0)
        state = self.random.choice(_QUESTIONS)
        for order in self.get(f"/orders?state={state}&page=1&size=20", route="/orders").items[:3]:
            # A finished order may be gone from its page by now, but never from the CRM.
            self.get(f"/orders/{order['order_id']}", route="/orders/{order_id}")
            self.get(f"/notifications?order_id={order['order_id']}", route="/notifications")
            self.pause(0.5, 1.0)
        self.pause(2.0, 6.0)
