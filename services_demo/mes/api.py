# SPDX-License-Identifier: Apache-2.0
"""The MES API: operators' list of orders, claims and states, price calculations. For gunicorn."""

import sys
from typing import Any
from uuid import UUID

from flask import Blueprint, Flask, current_app, request
from pydantic import BaseModel, ConfigDict

from otel_setup import instrument
from services_demo.bus.supervisor import configure_logging
from services_demo.catalogue import mes as catalogue
from services_demo.configuration import ConfigurationError, load
from services_demo.database import Connection, Pool, open_pool
from services_demo.mes import orders, sessions, tasks
from services_demo.mes.answers import answer_errors, body, query
from services_demo.mes.settings import MesSettings
from services_demo.mes.slow.list import SlowList
from services_demo.mes.states import State, TransitionRefused
from services_demo.web.errors import ApiError, envelope, quoted
from services_demo.web.pages import Page

TRANSITION_ERRORS = instrument(catalogue.MES_TRANSITION_ERRORS)

Answer = tuple[dict[str, Any], int]

api = Blueprint("mes", __name__)


class OrderList(Page):
    """Which orders an operator wants to see."""

    state: State | None = None


class StateChange(BaseModel):
    """The state that an operator sets."""

    model_config = ConfigDict(extra="forbid")

    state: State


class PriceRequest(BaseModel):
    """The order whose price is to be calculated anew."""

    model_config = ConfigDict(extra="forbid")

    order_id: UUID


def create_app() -> Flask:
    """Return the application, connected to its database."""
    configure_logging()
    settings = load(MesSettings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.extensions["settings"] = settings
    app.extensions["pool"] = open_pool(settings.mes_database_url, "services_demo.mes")
    app.extensions["list"] = SlowList(app.extensions["pool"], settings.mes_database_url)
    app.register_blueprint(api)
    answer_errors(app)
    app.register_error_handler(TransitionRefused, refused)
    return app


def refused(error: TransitionRefused) -> Answer:
    """Count a change of state that an operator did not get."""
    TRANSITION_ERRORS.add(1, {"from": error.source, "to": error.target, "reason": error.reason})
    return envelope(error.reason, str(error)), 409


def pool() -> Pool:
    """Return the pool of the current application."""
    opened: Pool = current_app.extensions["pool"]
    return opened


def operator(database: Connection) -> str:
    """Return who is signed in; anybody else gets a 401."""
    return sessions.operator_of(database, request.headers.get("Authorization"))


@api.get("/healthz")
def healthz() -> Answer:
    """Say whether requests can be served."""
    with pool().connection(timeout=2) as database:
        database.execute("SELECT 1")
    return {"status": "ok"}, 200


@api.post("/operator/sessions")
def sign_in() -> Answer:
    """Sign in as an operator."""
    who = body(sessions.SignIn)
    hours = current_app.extensions["settings"].mes_session_hours
    with pool().connection() as database:
        return sessions.sign_in(database, who, hours), 201


@api.delete("/operator/sessions")
def sign_out() -> tuple[str, int]:
    """End the session of the token."""
    with pool().connection() as database:
        sessions.sign_out(database, request.headers.get("Authorization"))
    return "", 204


@api.get("/operator/orders")
def list_orders() -> Answer:
    """List orders, the oldest first."""
    wanted = query(OrderList)
    with pool().connection() as database:
        operator(database)
        page_of = current_app.extensions["list"].way(database) or orders.page_of
        return page_of(database, wanted.state, wanted), 200


@api.get("/operator/orders/<order_id>")
def order(order_id: str) -> Answer:
    """Tell all about one order."""
    with pool().connection() as database:
        operator(database)
        return orders.find(database, _uuid("order", order_id)), 200


@api.post("/operator/orders/<order_id>/claim")
def claim(order_id: str) -> Answer:
    """Take an order, so that nobody else makes it too."""
    with pool().connection() as database:
        who = operator(database)
        key = _uuid("order", order_id)
        orders.claim(database, key, who)
        return orders.find(database, key), 200


@api.post("/operator/orders/<order_id>/state")
def set_state(order_id: str) -> Answer:
    """Say how far the making of an order is."""
    with pool().connection() as database:
        who = operator(database)
        key = _uuid("order", order_id)
        wanted = body(StateChange).state
        orders.set_state(database, key, wanted, who)
        return orders.find(database, key), 200


@api.post("/price-calculations")
def calculate_price() -> Answer:
    """Have the price of an order calculated anew."""
    with pool().connection() as database:
        operator(database)
        task_id = tasks.ask_again(database, body(PriceRequest).order_id)
    return {"task_id": str(task_id)}, 202


@api.get("/price-calculations/<task_id>")
def price_calculation(task_id: str) -> Answer:
    """Tell how far a calculation is."""
    with pool().connection() as database:
        operator(database)
        return tasks.find(database, _uuid("task", task_id)), 200


def _uuid(what: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        message = f"{what}={quoted(text)}: expected a UUID. Take it from an earlier answer."
        raise ApiError(422, "invalid_request", message) from None


try:
    app = create_app()
except ConfigurationError as problem:
    # gunicorn would print a traceback for each worker.
    sys.exit(str(problem))
