# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens: the client has the token, the database only its hash."""

from __future__ import annotations

import hashlib
import secrets

from services_demo.web.errors import ApiError


def issue() -> tuple[str, bytes]:
    """Return a new token and the hash to store."""
    token = secrets.token_urlsafe(32)
    return token, digest(token)


def digest(token: str) -> bytes:
    """Return the hash under which *token* is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def from_header(authorization: str | None, sign_in: str) -> str:
    """
    Return the token of an Authorization header; *sign_in* says how to get one.

    Raises:
        ApiError: 401, the header is missing or of another kind.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        kind = "it is missing" if not authorization else "it is not of the kind Bearer"
        raise ApiError(
            401,
            "not_signed_in",
            f"header Authorization: {kind}. Send 'Authorization: Bearer <token>'; {sign_in}",
        )
    return token.strip()


def unknown(sign_in: str, *, expired: bool) -> ApiError:
    """Return the 401 for a token that opens nothing (any more)."""
    code, what = (
        ("session_expired", "has expired") if expired else ("session_unknown", "is unknown")
    )
    return ApiError(401, code, f"header Authorization: the session of this token {what}. {sign_in}")
