# SPDX-License-Identifier: Apache-2.0
"""Customers of the Internet Shop: they upload and edit a model, order it and approve its price."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import gevent

from services_demo.traffic.plan import PREPARE_SECONDS, WAIT_FOR_PRICE_SECONDS, Plan
from services_demo.traffic.user import CompanyUser

if TYPE_CHECKING:
    from random import Random

_FIRST_NAMES = ("Ada", "Bela", "Cleo", "Dora", "Emil", "Finn")
_LAST_NAMES = (
    "Agate",
    "Beryl",
    "Coral",
    "Garnet",
    "Ivory",
    "Jade",
    "Lapis",
    "Onyx",
    "Opal",
    "Topaz",
)
# The same 60 people come again and again, some far more often than others, and never more than 60.
_PEOPLE = [f"{first} {last}" for first in _FIRST_NAMES for last in _LAST_NAMES]
_HOW_OFTEN = [1 / rank for rank in range(1, len(_PEOPLE) + 1)]
_MATERIALS = ("silver", "silver", "gold", "platinum", "resin")
_LOOKS_AT_THE_RESULT = 0.3
_CONFLICT = 409


class Customer(CompanyUser):
    """Places one order on each visit, when the order clock says so."""

    host = Plan.shop

    def visit(self) -> None:
        """Make one order, from signing in to signing out."""
        due = self.plan.clock.take()
        gevent.sleep(max(0.0, self.plan.clock.seconds_until(due) - PREPARE_SECONDS / 2))
        self._sign_in()
        model_id = self._prepare_model()
        gevent.sleep(self.plan.clock.seconds_until(due))
        order_id = self._order(model_id)
        self._wait_for_price_and_decide(order_id)
        self._look_at_own_orders()
        self.delete("/sessions")
        self.token = ""

    def _sign_in(self) -> None:
        name = self.random.choices(_PEOPLE, _HOW_OFTEN)[0]
        email = name.lower().replace(" ", ".") + "@example.com"
        self.token = ""
        self.token = self.post("/sessions", json={"email": email, "name": name}).body["token"]

    def _prepare_model(self) -> str:
        """Upload a file and try out some edits; each edit gives a new model."""
        file = self.plan.choose_model(self.random)
        path = f"/models?filename={file.filename}"
        model: dict[str, Any] = self.post(path, route="/models", data=file.content).body
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            self.pause(0.1, 0.5)
            model = self.post(
                f"/models/{model['model_id']}/edits",
                route="/models/{model_id}/edits",
                json=_edit(self.random),
            ).body
        model_id = str(model["model_id"])
        if self.random.random() < _LOOKS_AT_THE_RESULT:
            self.get(f"/models/{model_id}/content", route="/models/{model_id}/content")
        return model_id

    def _order(self, model_id: str) -> str:
        order = {
            "model_id": model_id,
            "material": self.random.choice(_MATERIALS),
            "quantity": self.random.choice((1, 1, 1, 2, 5)),
        }
        order_id = str(self.post("/orders", json=order).body["order_id"])
        self.plan.score.placed += 1
        return order_id

    def _wait_for_price_and_decide(self, order_id: str) -> None:
        """Look at the order each second; who has to wait too long decides on the next visit."""
        give_up = time.monotonic() + WAIT_FOR_PRICE_SECONDS
        while time.monotonic() < give_up:
            self.pause(0.7, 1.3)
            state = self.get(f"/orders/{order_id}", route="/orders/{order_id}").body.get("state")
            if state == "priced":
                self.pause(0.2, 1.0)
                self._decide(order_id)
            if state != "placed":
                return

    def _decide(self, order_id: str) -> None:
        """Approve most prices; the same customer may have decided in another window already."""
        decision = self.random.choices(("approval", "cancellation"), (9, 1))[0]
        answer = self.post(
            f"/orders/{order_id}/{decision}",
            route=f"/orders/{{order_id}}/{decision}",
            expected=(_CONFLICT,),
        )
        if answer.status != _CONFLICT:
            # An order can be decided once, so each priced one is counted once, whoever sees it.
            self.plan.score.priced += 1
            self.plan.score.cancelled += decision == "cancellation"

    def _look_at_own_orders(self) -> None:
        orders = self.get("/orders?page=1&size=20", route="/orders").items
        for order in orders:
            if order["state"] == "priced":
                self._decide(str(order["order_id"]))


def _edit(random: Random) -> dict[str, object]:
    """Return one operation of the 3D editor with parameters that keep a ring wearable."""
    return random.choice(
        (
            {"operation": "scale", "factor": round(random.uniform(0.8, 1.3), 2)},
            {
                "operation": "rotate",
                "axis": random.choice("xyz"),
                "degrees": random.randrange(15, 180),
            },
            {"operation": "thicken", "millimetres": round(random.uniform(0.1, 0.4), 2)},
            {"operation": "smooth", "iterations": random.randrange(1, 6)},
        )
    )
