# SPDX-License-Identifier: Apache-2.0
"""Operators' sessions. The demo asks for no password."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from otel_setup import set_user
from services_demo.database import Connection
from services_demo.web import tokens
from services_demo.web.errors import Line

_SIGN_IN = "POST /operator/sessions gives one."
#: What kind of user they are, in metrics.
_GROUP = "operator"


class SignIn(BaseModel):
    """What an operator says to sign in."""

    model_config = ConfigDict(extra="forbid")

    operator: Line


def sign_in(connection: Connection, who: SignIn, hours: float) -> dict[str, Any]:
    """Open a session; the token is shown this once."""
    connection.execute("DELETE FROM operator_session WHERE expires_at < now()")
    set_user(who.operator, group=_GROUP)
    token, token_hash = tokens.issue()
    expires_at = datetime.now(UTC) + timedelta(hours=hours)
    connection.execute(
        "INSERT INTO operator_session (token_hash, operator, expires_at) VALUES (%s, %s, %s)",
        (token_hash, who.operator, expires_at),
    )
    return {"token": token, "operator": who.operator, "expires_at": expires_at.isoformat()}


def operator_of(connection: Connection, authorization: str | None) -> str:
    """
    Return the operator whom the Authorization header names.

    Raises:
        ApiError: 401, the header or the session is missing, unknown or expired.
    """
    token = tokens.from_header(authorization, _SIGN_IN)
    session = connection.execute(
        "SELECT operator, expires_at <= now() AS expired FROM operator_session"
        " WHERE token_hash = %s",
        (tokens.digest(token),),
    ).fetchone()
    if session is None or session["expired"]:
        raise tokens.unknown(_SIGN_IN, expired=session is not None)
    operator: str = session["operator"]
    set_user(operator, group=_GROUP)
    return operator


def sign_out(connection: Connection, authorization: str | None) -> None:
    """End the session of the header's token; a session that is gone already is an error."""
    operator_of(connection, authorization)
    token = tokens.from_header(authorization, _SIGN_IN)
    connection.execute(
        "DELETE FROM operator_session WHERE token_hash = %s", (tokens.digest(token),)
    )
