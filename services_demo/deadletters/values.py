# SPDX-License-Identifier: Apache-2.0
"""Values of AMQP as JSON that PostgreSQL stores, and back; made for values that strangers sent."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

#: Tables in tables beyond it are data that nobody reads.
_DEPTH = 16
_INT64 = 1 << 63
#: Queues and exchanges are at most as long; an index takes it.
_LENGTH = 255

_BYTES, _TIME, _DECIMAL = "$bytes", "$time", "$decimal"


def to_json(value: object, depth: int = 0) -> Any:
    """Return *value* as JSON; what JSON lacks is a table with one key that begins with ``$``."""
    if isinstance(value, Mapping | list):
        return _nested(value, depth)
    if isinstance(value, bytes | str):
        return _string(value)
    if isinstance(value, datetime):
        return {_TIME: value.isoformat()}
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if value is None or isinstance(value, bool) or (isinstance(value, int) and _fits(value)):
        return value
    return str(value)[:_LENGTH]


def _fits(number: int) -> bool:
    return -_INT64 <= number < _INT64


def _nested(value: Mapping[Any, Any] | list[Any], depth: int) -> Any:
    if depth >= _DEPTH:
        return f"(left out: more than {_DEPTH} tables deep)"
    if isinstance(value, list):
        return [to_json(each, depth + 1) for each in value]
    return {text(key): to_json(each, depth + 1) for key, each in value.items()}


def _string(value: bytes | str) -> Any:
    # PostgreSQL's text has no zero byte.
    if isinstance(value, str) and "\0" not in value:
        return value
    raw = value.encode() if isinstance(value, str) else value
    return {_BYTES: base64.b64encode(raw).decode()}


def from_json(value: Any) -> Any:
    """Return the value of AMQP that `to_json` was given."""
    if isinstance(value, list):
        return [from_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, held),) = value.items()
        try:
            if key == _BYTES:
                return base64.b64decode(held, validate=True)
            if key == _TIME:
                return datetime.fromisoformat(held)
            if key == _DECIMAL:
                return Decimal(held)
        except (TypeError, ValueError, InvalidOperation, binascii.Error):
            pass  # a table of the sender that only looks like one of ours
    return {key: from_json(each) for key, each in value.items()}


def text(value: object) -> str:
    """Return *value* as text that PostgreSQL stores, 255 characters at most; nothing for None."""
    if value is None:
        return ""
    readable = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return readable.replace("\0", "\\x00")[:_LENGTH]


def moment(value: object) -> datetime | None:
    """Return the time that *value* is; None for what is none, or lies outside of the calendar."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            pass
    return None
