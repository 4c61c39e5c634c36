# SPDX-License-Identifier: Apache-2.0
"""
How dead letters are shown to a person.

What is shown ends up in tickets and chats, and an order's event has its customer's name and
address. So of a body only the fields are shown that no contract uses for persons.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services_demo import messages
from services_demo.deadletters.store import Row

#: Fields of the contracts that are about a person, or are written by one.
_PERSONAL = {"customer_email", "customer_name", "reason"}

#: All that may be shown, by the names in JSON.
_OPEN = {
    field.serialization_alias or name
    for contract in messages.Message.__subclasses__()
    for name, field in contract.model_fields.items()
} - _PERSONAL

_COLUMNS = (
    *(("ID", "dead_letter_id"), ("AGE", "age"), ("QUEUE", "queue"), ("REASON", "reason")),
    *(("EVENT", "event"), ("DEATHS", "deaths"), ("REPLAYS", "replays"), ("STATE", "state")),
    *(("MESSAGE ID", "message_id"), ("TRACE", "trace_id")),
)
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


def table(rows: Sequence[Row]) -> str:
    """Return *rows* as a table of text."""
    lines = [[title for title, _key in _COLUMNS]]
    lines += [[_cell(key, row[key]) for _title, key in _COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_json(value: object) -> str:
    """Return *value* as JSON for other programs."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def details(row: Row, *, body: bool) -> dict[str, Any]:
    """Return all about one dead letter; its whole *body* only if it is asked for."""
    shown = {key: value for key, value in row.items() if key not in {"body", "fingerprint"}}
    raw = bytes(row["body"])
    shown["contract"] = contract(row["event"], raw)
    shown["body_bytes"] = len(raw)
    shown["body"] = _whole(raw) if body else _harmless(raw)
    return shown


def lines(shown: Mapping[str, Any]) -> str:
    """Return what `details` gave as lines of text."""
    width = max(map(len, shown))
    return "\n".join(f"{key.ljust(width)}  {_line(key, value)}" for key, value in shown.items())


def contract(event: str, body: bytes) -> str:
    """Say whether *body* keeps the contract of *event*: then handling it may work now."""
    try:
        messages.parse(event, body)
    except ValueError as error:
        return str(error)
    return "kept"


def age(seconds: float) -> str:
    """Return *seconds* as a person says it, such as 2h05m."""
    for number, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            rest = int(seconds % size)
            below, smaller = _UNITS[number + 1] if unit != "m" else ("s", 1)
            return f"{int(seconds // size)}{unit}{rest // smaller:02d}{below}"
    return f"{int(seconds)}s"


def _cell(key: str, value: object) -> str:
    if key == "age":
        return age(float(str(value)))
    # A sender may have put signs into it that move the cursor of whoever looks.
    return "".join(sign if sign.isprintable() else "?" for sign in str(value)) or "-"


def _line(key: str, value: object) -> str:
    if key == "age":
        return age(float(str(value)))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    return _cell(key, "" if value is None else _plain(value))


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return str(value)


def _whole(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _harmless(raw: bytes) -> Any:
    try:
        held = json.loads(raw)
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        return "(no JSON object; --body shows it)"
    return {
        # A name that no contract has may be anything, too.
        (key if key in _OPEN | _PERSONAL else "(unknown field)"): (
            value if key in _OPEN and not isinstance(value, dict | list) else _described(value)
        )
        for key, value in held.items()
    }


def _described(value: object) -> str:
    size = f" of {len(value)}" if isinstance(value, str | dict | list) else ""
    return f"({type(value).__name__}{size}; --body shows it)"
