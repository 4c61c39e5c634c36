# SPDX-License-Identifier: Apache-2.0
"""
The error that every API answers: ``{"error": {"code": …, "message": …}}``.

The message names what was typed, its value, the rule and the fix, so that the reader of
a log or a client's developer needs nothing else.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints

_LONGEST_VALUE = 80


def _without_control_characters(text: str) -> str:
    # PostgreSQL cannot store NUL, and the others break lines of logs.
    if not text.isprintable():
        raise ValueError("expected one line of printable characters")
    return text


#: A line of text from a client.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_without_control_characters),
]


class ApiError(Exception):
    """A request that is refused, with its HTTP status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def envelope(code: str, message: str) -> dict[str, dict[str, str]]:
    """Return the body of an error answer."""
    # A lone surrogate from a client's JSON could not be encoded on the way back.
    readable = message.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"error": {"code": code, "message": readable}}


def quoted(value: object) -> str:
    """Return *value* as somebody typed it, shortened; safe to show in any answer."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def not_found(what: str, key: object, where: str) -> ApiError:
    """Return the 404 for a thing that is not there, or belongs to somebody else."""
    return ApiError(
        404, f"{what}_not_found", f"{what}={quoted(str(key))}: there is no such {what}. {where}"
    )


def explain(faults: Sequence[Any]) -> str:
    """Turn the errors of pydantic into sentences."""
    return " ".join(_sentence(fault) for fault in faults)


def _sentence(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"] if part not in {"body", "query", "path"})
    if fault["type"] == "missing":
        return f"{place or 'body'} is missing. Add it."
    if fault["type"] == "extra_forbidden":
        return f"{place}={quoted(fault['input'])}: there is no such field. Leave it out."
    rule = fault["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    return f"{place or 'body'}={quoted(fault['input'])}: {rule}. Correct it and send it again."
