# SPDX-License-Identifier: Apache-2.0
"""The CRM API: what sales see of customers, their orders and what they were told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool

from services_demo.bus.supervisor import configure_logging
from services_demo.configuration import load
from services_demo.crm.settings import CrmSettings
from services_demo.database import Pool, open_pool
from services_demo.messages import OrderState
from services_demo.web.errors import Line, not_found
from services_demo.web.fastapi_errors import answer_errors
from services_demo.web.pages import Page, fetch_page


class CustomerList(Page):
    """Which customers to list; *q* is a part of the name or address."""

    q: Line | None = None


class OrderList(Page):
    """Which orders to list."""

    state: OrderState | None = None


class NotificationList(Page):
    """Which notifications to list."""

    order_id: UUID | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect at the start, so that a bad configuration is seen there."""
    configure_logging()
    settings = load(CrmSettings)
    app.state.pool = await run_in_threadpool(
        open_pool, settings.crm_database_url, "services_demo.crm"
    )
    yield
    app.state.pool.close()


app = FastAPI(title="CRM", version="1", lifespan=lifespan)
answer_errors(app)


def the_pool(request: Request) -> Pool:
    """Return the pool that the lifespan opened."""
    pool: Pool = request.app.state.pool
    return pool


ThePool = Annotated[Pool, Depends(the_pool)]


@app.get("/healthz")
def healthz(pool: ThePool) -> dict[str, str]:
    """Say whether requests can be served."""
    with pool.connection(timeout=2) as database:
        database.execute("SELECT 1")
    return {"status": "ok"}


@app.get("/customers")
def customers(wanted: Annotated[CustomerList, Query()], pool: ThePool) -> dict[str, Any]:
    """List customers by name."""
    with pool.connection() as database:
        return fetch_page(
            database,
            "SELECT customer_id, email, name, first_order_at FROM customer"
            " WHERE %(q)s::text IS NULL OR strpos(lower(name), lower(%(q)s)) > 0"
            " OR strpos(lower(email), lower(%(q)s)) > 0",
            "name, customer_id",
            {"q": wanted.q},
            wanted,
        )


@app.get("/customers/{customer_id}")
def customer(customer_id: UUID, pool: ThePool) -> dict[str, Any]:
    """Tell all about a customer, the last hundred orders included."""
    with pool.connection() as database:
        found = database.execute(
            "SELECT c.*, (SELECT coalesce(json_agg(o), '[]') FROM (SELECT order_id, material,"
            " quantity, state, price_cents, currency, placed_at, updated_at FROM customer_order"
            " WHERE customer_id = c.customer_id ORDER BY placed_at DESC LIMIT 100) o) AS orders"
            " FROM customer c WHERE customer_id = %s",
            (customer_id,),
        ).fetchone()
    if found is None:
        raise not_found("customer", customer_id, "GET /customers lists all.")
    return found


@app.get("/orders")
def list_orders(wanted: Annotated[OrderList, Query()], pool: ThePool) -> dict[str, Any]:
    """List orders, newest first."""
    with pool.connection() as database:
        return fetch_page(
            database,
            "SELECT order_id, customer_id, material, quantity, state, price_cents, currency,"
            " failure, placed_at, updated_at FROM customer_order"
            " WHERE %(state)s::text IS NULL OR state = %(state)s",
            "placed_at DESC, order_id",
            {"state": wanted.state},
            wanted,
        )


@app.get("/orders/{order_id}")
def order(order_id: UUID, pool: ThePool) -> dict[str, Any]:
    """Tell all about an order, what its customer was told included."""
    with pool.connection() as database:
        found = database.execute(
            "SELECT o.*, (SELECT coalesce(json_agg(n), '[]') FROM (SELECT kind, recipient, subject,"
            " body, created_at FROM notification WHERE order_id = o.order_id"
            " ORDER BY created_at) n) AS notifications FROM customer_order o WHERE order_id = %s",
            (order_id,),
        ).fetchone()
    if found is None:
        raise not_found("order", order_id, "GET /orders lists all.")
    return found


@app.get("/notifications")
def notifications(wanted: Annotated[NotificationList, Query()], pool: ThePool) -> dict[str, Any]:
    """List what customers were told, newest first."""
    with pool.connection() as database:
        return fetch_page(
            database,
            "SELECT notification_id, order_id, kind, recipient, subject, body, created_at"
            " FROM notification WHERE %(order_id)s::uuid IS NULL OR order_id = %(order_id)s",
            "created_at DESC, notification_id",
            {"order_id": wanted.order_id},
            wanted,
        )
