# SPDX-License-Identifier: Apache-2.0
"""
Takes one order through the whole company, from sign-in to "customer notified", and times it.

`make demo` and the end-to-end test use it. It is plain synchronous HTTP, without locust or gevent.
"""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from services_demo.traffic.shapes import model_file

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_SECONDS = 0.2
_CONFLICT = 409
# A service may restart while an order is awaited, and does not know it before its event arrives.
_MOMENTARY = {404, 502, 503, 504}
# States out of which no waiting leads.
_DEAD_ENDS = {"pricing_failed", "cancelled", "rejected"}


class OrderError(Exception):
    """The order did not get through; the text names the step, what was last seen and the wait."""


@dataclass(slots=True, kw_only=True)
class FollowedOrder:
    """What one order went through; `steps` holds the seconds of each step, in their order."""

    order_id: str = ""
    customer_id: str = ""
    model_id: str = ""
    #: What the customer's own trace is called. The Shop begins another one, which links to it.
    caller_trace_id: str = ""
    steps: dict[str, float] = field(default_factory=dict)


def place_and_follow(  # noqa: PLR0913, three addresses and four choices
    shop: str,
    mes: str,
    crm: str,
    *,
    timeout: float,
    traced: bool = False,
    seed: int = 1,
    on_step: Callable[[str, float], None] = lambda _name, _seconds: None,
) -> FollowedOrder:
    """
    Place one order and follow it until the customer was told that it is finished.

    Args:
        shop: Address of the Shop API.
        mes: Address of the MES API.
        crm: Address of the CRM API.
        timeout: Seconds for the whole way.
        traced: Order inside of a trace of the customer, whose id is in the result.
        seed: Which model to order.
        on_step: Called after each step with its name and the seconds it took.

    Raises:
        OrderError: A service refused a step, could not be reached, or time is up.
    """
    with ExitStack() as stack:
        shop_client, mes_client, crm_client = (
            stack.enter_context(httpx.Client(base_url=url)) for url in (shop, mes, crm)
        )
        journey = _Journey(shop_client, mes_client, crm_client, timeout, on_step)
        journey.buy(traced=traced, seed=seed)
        journey.manufacture()
        journey.hear_of_it()
    return journey.order


class _Journey:
    """One order on its way; keeps the time left and the name of the step it is in."""

    def __init__(
        self,
        shop: httpx.Client,
        mes: httpx.Client,
        crm: httpx.Client,
        timeout: float,
        on_step: Callable[[str, float], None],
    ) -> None:
        self.order = FollowedOrder()
        self._shop, self._mes, self._crm = shop, mes, crm
        self._timeout, self._on_step = timeout, on_step
        self._began = self._step_began = time.monotonic()
        self._step = "sign in"

    def buy(self, *, traced: bool, seed: int) -> None:
        """Sign in, upload, edit, order, wait for the price and approve it."""
        order = self.order
        person = {"email": "first.order@example.com", "name": "First Order"}
        session = self._post(self._shop, "/sessions", json=person)
        order.customer_id = str(session["customer_id"])
        self._shop.headers["Authorization"] = f"Bearer {session['token']}"
        self._next("upload")
        file = model_file("ring", "small", seed)
        path = f"/models?filename={file.filename}"
        model = self._post(self._shop, path, content=file.content)
        self._next("edit")
        edit = {"operation": "scale", "factor": 1.1}
        model = self._post(self._shop, f"/models/{model['model_id']}/edits", json=edit)
        order.model_id = str(model["model_id"])
        self._next("order")
        wish = {"model_id": order.model_id, "material": "silver", "quantity": 1}
        headers = self._trace_headers() if traced else {}
        created = self._post(self._shop, "/orders", json=wish, headers=headers)
        order.order_id = str(created["order_id"])
        self._next("priced")
        self._wait(self._shop, f"/orders/{order.order_id}", {"priced"}, _state)
        self._next("approve")
        self._post(self._shop, f"/orders/{order.order_id}/approval")
        self._next("approved in the MES")

    def manufacture(self) -> None:
        """Be the operator who takes the order, or watch the one who was faster."""
        operator = {"operator": "first-operator"}
        session = self._post(self._mes, "/operator/sessions", json=operator)
        self._mes.headers["Authorization"] = f"Bearer {session['token']}"
        path = f"/operator/orders/{self.order.order_id}"
        reached = {"approved", "claimed", "manufacturing", "finished", "shipped"}
        self._wait(self._mes, path, reached, _state)
        self._next("claim")
        claim = self._send(self._mes, "POST", f"{path}/claim", conflict_is_fine=True)
        if claim.status_code != _CONFLICT:
            for state in ("manufacturing", "finished"):
                self._next(state)
                self._post(self._mes, f"{path}/state", json={"state": state})
        else:
            self._next("finished by another operator")
            self._wait(self._mes, path, {"finished", "shipped"}, _state)

    def hear_of_it(self) -> None:
        """Wait until the CRM has told the customer, then sign everybody out."""
        self._next("customer notified")
        path = f"/notifications?order_id={self.order.order_id}"
        self._wait(self._crm, path, {"finished"}, _kinds)
        self._next("sign out")
        self._send(self._shop, "DELETE", "/sessions")
        self._send(self._mes, "DELETE", "/operator/sessions")
        self._next("")

    def _trace_headers(self) -> dict[str, str]:
        self.order.caller_trace_id = secrets.token_hex(16)
        # W3C Trace Context: version, trace, parent span, flags with "sampled" set.
        return {"traceparent": f"00-{self.order.caller_trace_id}-{secrets.token_hex(8)}-01"}

    def _next(self, step: str) -> None:
        """End the current step and begin that one."""
        now = time.monotonic()
        self.order.steps[self._step] = now - self._step_began
        self._on_step(self._step, now - self._step_began)
        self._step, self._step_began = step, now

    def _left(self) -> float:
        return self._began + self._timeout - time.monotonic()

    def _error(self, what: str) -> OrderError:
        waited = time.monotonic() - self._step_began
        about = f"order {self.order.order_id}" if self.order.order_id else "the order"
        return OrderError(
            f"step {self._step!r} of {about}: {what}, after {waited:.1f} s. Look at `make logs`."
        )

    def _wait(
        self,
        client: httpx.Client,
        path: str,
        wanted: set[str],
        seen_in: Callable[[dict[str, Any]], set[str]],
    ) -> None:
        """Ask again until one of the wanted words is seen; a service may restart meanwhile."""
        last = "nothing"
        while self._left() > 0:
            try:
                response = client.get(path, timeout=max(0.1, self._left()))
            except httpx.TransportError as error:
                last = f"no answer ({type(error).__name__}: {error})"
            else:
                if response.status_code not in _MOMENTARY:
                    seen = seen_in(_body(self._checked(response)))
                    if seen & wanted:
                        return
                    last = ", ".join(sorted(seen)) or "nothing"
                    if seen & _DEAD_ENDS:
                        break
                else:
                    last = f"HTTP {response.status_code}"
            time.sleep(_POLL_SECONDS)
        address = f"{client.base_url}{path}"
        wish = " or ".join(sorted(wanted))
        raise self._error(f"waited for {wish} at {address}, last seen: {last}")

    def _send(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        *,
        conflict_is_fine: bool = False,
        **request: Any,
    ) -> httpx.Response:
        try:
            response = client.request(method, path, timeout=max(0.1, self._left()), **request)
        except httpx.TransportError as error:
            where = f"{method} {client.base_url}{path}"
            raise self._error(f"{where} got no answer ({type(error).__name__}: {error})") from error
        if conflict_is_fine and response.status_code == _CONFLICT:
            return response
        return self._checked(response)

    def _post(self, client: httpx.Client, path: str, **request: Any) -> dict[str, Any]:
        response = self._send(client, "POST", path, **request)
        try:
            return _body(response)
        except ValueError as error:
            what = f"POST {response.url} answered without a JSON object: {response.text[:300]}"
            raise self._error(what) from error

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        asked = f"{response.request.method} {response.request.url}"
        raise self._error(f"{asked} answered {response.status_code}: {response.text[:300]}")


def _body(response: httpx.Response) -> dict[str, Any]:
    return dict(response.json()) if response.content else {}


def _state(order: dict[str, Any]) -> set[str]:
    return {str(order.get("state"))}


def _kinds(notifications: dict[str, Any]) -> set[str]:
    return {str(item["kind"]) for item in notifications.get("items", [])}
