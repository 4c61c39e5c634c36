# SPDX-License-Identifier: Apache-2.0
"""Customers and their sessions. The demo asks for no password: an address is who you are."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from otel_setup import set_user
from services_demo.database import Connection
from services_demo.web import tokens
from services_demo.web.errors import Line

_SIGN_IN = "POST /sessions gives one."
#: What kind of user they are, in metrics.
_GROUP = "customer"

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or not text.isprintable():
        raise ValueError("expected an e-mail address like anna@example.org")
    return text


class SignIn(BaseModel):
    """What a customer says to sign in."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[
        str,
        StringConstraints(strip_whitespace=True, to_lower=True, max_length=254),
        AfterValidator(_address),
    ]
    name: Line


class Session(BaseModel):
    """A new session; the token is shown this once."""

    token: str
    customer_id: UUID
    expires_at: datetime


def sign_in(connection: Connection, who: SignIn, hours: float) -> Session:
    """Open a session for *who*, a new customer or a known one."""
    connection.execute("DELETE FROM session WHERE expires_at < now()")
    customer = connection.execute(
        "INSERT INTO customer (email, name) VALUES (%s, %s)"
        " ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING customer_id",
        (who.email, who.name),
    ).fetchone()
    assert customer is not None  # noqa: S101 - an upsert returns its row
    set_user(str(customer["customer_id"]), group=_GROUP)
    token, token_hash = tokens.issue()
    expires_at = datetime.now(UTC) + timedelta(hours=hours)
    connection.execute(
        "INSERT INTO session (token_hash, customer_id, expires_at) VALUES (%s, %s, %s)",
        (token_hash, customer["customer_id"], expires_at),
    )
    return Session(token=token, customer_id=customer["customer_id"], expires_at=expires_at)


def customer_of(connection: Connection, authorization: str | None) -> UUID:
    """
    Return the customer whom the Authorization header names.

    Raises:
        ApiError: 401, the header or the session is missing, unknown or expired.
    """
    token = tokens.from_header(authorization, _SIGN_IN)
    session = connection.execute(
        "SELECT customer_id, expires_at <= now() AS expired FROM session WHERE token_hash = %s",
        (tokens.digest(token),),
    ).fetchone()
    if session is None or session["expired"]:
        raise tokens.unknown(_SIGN_IN, expired=session is not None)
    customer_id: UUID = session["customer_id"]
    set_user(str(customer_id), group=_GROUP)
    return customer_id


def sign_out(connection: Connection, authorization: str | None) -> None:
    """End the session of the header's token; a session that is gone already is an error."""
    customer_of(connection, authorization)
    token = tokens.from_header(authorization, _SIGN_IN)
    connection.execute("DELETE FROM session WHERE token_hash = %s", (tokens.digest(token),))
