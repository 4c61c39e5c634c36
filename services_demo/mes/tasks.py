# SPDX-License-Identifier: Apache-2.0
"""The list of price calculations: taking one, and writing down how it ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services_demo.bus import put
from services_demo.database import Connection
from services_demo.mes import orders
from services_demo.mes.states import UNPRICED, State
from services_demo.messages import Material, OrderPriced, OrderPricingFailed
from services_demo.web.errors import ApiError, not_found

# Longer than any calculation: after it the worker counts as dead and another one takes over.
_LEASE = "10 minutes"
_MOST_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """A calculation that this worker has taken."""

    task_id: UUID
    order_id: UUID
    attempt: int
    deaths: int
    headers: dict[str, str]
    waited_seconds: float
    model_key: str
    model_format: str
    material: Material
    quantity: int


def take(connection: Connection, worker: str) -> Task | None:
    """Take the task that waits longest, or one whose worker is dead; None if there is none."""
    row = connection.execute(
        "UPDATE price_task t SET state = 'running', attempt = attempt + 1, worker = %s,"
        " started_at = clock_timestamp(), lease_until = now() + %s::interval"
        " FROM manufacturing_order o WHERE o.order_id = t.order_id AND t.task_id = ("
        "  SELECT task_id FROM price_task"
        "  WHERE (state = 'queued' AND not_before <= now())"
        "     OR (state = 'running' AND lease_until < now())"
        "  ORDER BY queued_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING t.task_id, t.order_id, t.attempt, t.deaths, t.headers,"
        "  extract(epoch FROM t.started_at - t.queued_at)::float8 AS waited_seconds,"
        "  o.model_key, o.model_format, o.material, o.quantity",
        (worker, _LEASE),
    ).fetchone()
    return Task(**{**row, "material": Material(row["material"])}) if row else None


def take_back(connection: Connection, worker: str) -> int:
    """Queue again what *worker* left half done; return how many."""
    return connection.execute(
        "UPDATE price_task SET state = 'queued' WHERE state = 'running' AND worker = %s", (worker,)
    ).rowcount


def put_back(connection: Connection, task: Task, *, seconds: float, died: bool = False) -> None:
    """Queue *task* again, not to be taken before *seconds* from now."""
    connection.execute(
        "UPDATE price_task SET state = 'queued', deaths = deaths + %s,"
        " not_before = now() + make_interval(secs => %s)"
        " WHERE task_id = %s AND state = 'running' AND attempt = %s",
        (int(died), seconds, task.task_id, task.attempt),
    )


def may_die_again(task: Task) -> bool:
    """Tell whether a task whose process died is worth another process."""
    return task.deaths + 1 < _MOST_DEATHS


def finish(
    connection: Connection, task: Task, price_cents: int | None, failure: str
) -> datetime | None:
    """
    Write down the price, or the failure if there is none, and tell the others.

    Returns when the order was placed if this is the first answer that its customer gets.
    """
    order = orders.lock(connection, task.order_id)
    done = connection.execute(
        "UPDATE price_task SET state = %s, failure = nullif(%s, ''), finished_at = now()"
        " WHERE task_id = %s AND state = 'running' AND attempt = %s",
        ("failed" if price_cents is None else "done", failure, task.task_id, task.attempt),
    ).rowcount
    if not done or order is None or order["state"] not in UNPRICED:
        return None  # cancelled or approved meanwhile, or somebody else took the task over
    connection.execute(
        "UPDATE manufacturing_order SET price_cents = %(price)s, failure = nullif(%(failure)s, ''),"
        " currency = CASE WHEN %(price)s::bigint IS NULL THEN NULL ELSE 'EUR' END"
        " WHERE order_id = %(order_id)s",
        {"price": price_cents, "failure": failure, "order_id": task.order_id},
    )
    target = State.PRICE_FAILED if price_cents is None else State.PRICED
    orders.move(connection, task.order_id, State(order["state"]), target)
    if price_cents is None:
        put(connection, OrderPricingFailed(order_id=task.order_id, reason=failure))
    else:
        put(connection, OrderPriced(order_id=task.order_id, price_cents=price_cents))
    placed_at: datetime = order["placed_at"]
    return placed_at if order["state"] == State.RECEIVED else None


def ask_again(connection: Connection, order_id: UUID) -> UUID:
    """Have the price calculated anew; return the task, which may be under way already."""
    order = orders.lock(connection, order_id)
    if order is None:
        raise not_found("order", order_id, "GET /operator/orders lists all.")
    if order["state"] not in UNPRICED:
        raise ApiError(
            409,
            "wrong_state",
            f"order_id={str(order_id)!r}: it is {order['state']!r}, and the customer has agreed to "
            f"its price: expected state {', '.join(UNPRICED)}. Leave the price as it is.",
        )
    return orders.add_price_task(connection, order_id)


def find(connection: Connection, task_id: UUID) -> dict[str, Any]:
    """Return one calculation, with the price if it is done."""
    row = connection.execute(
        "SELECT json_build_object('task_id', task_id, 'order_id', order_id, 'state', t.state,"
        " 'attempt', attempt, 'queued_at', queued_at, 'started_at', started_at,"
        " 'finished_at', finished_at, 'failure', t.failure, 'price_cents', o.price_cents,"
        " 'currency', o.currency) AS found"
        " FROM price_task t JOIN manufacturing_order o USING (order_id) WHERE task_id = %s",
        (task_id,),
    ).fetchone()
    if row is None:
        raise not_found("task", task_id, "POST /price-calculations starts one.")
    found: dict[str, Any] = row["found"]
    return found
