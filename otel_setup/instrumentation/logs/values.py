# SPDX-License-Identifier: Apache-2.0
"""
What a log record carries, as values that can be written anywhere.

A program may log any object under any name. Here it becomes text, numbers, lists and
mappings of bounded size; nothing that an object does in ``__str__`` gets out.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Mapping
from typing import Any

_DEPTH = 4
_ITEMS = 64
_CHARACTERS = 8192

#: Attributes of each record; what else there is, the program gave as ``extra``.
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {
    *("asctime", "message", "taskName"),
    *("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName"),
    "color_message",  # uvicorn's message once more, for terminals
}


def text(value: object) -> str:
    """Return ``str(value)``, whatever that does."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - the code of a stranger
        return f"<{type(value).__name__}: str() raised {type(error).__name__}>"


def shortened(long: str, limit: int) -> str:
    """
    Cut the middle out of a text of more than *limit* characters.

    The last lines of a stack trace say where it happened, the first ones what was called.
    """
    if len(long) <= limit:
        return long
    mark = " … "
    head = max(0, limit - len(mark)) // 4
    return (long[:head] + mark + long[len(long) - max(0, limit - len(mark) - head) :])[:limit]


def plain(value: object, depth: int = _DEPTH) -> Any:
    """Return *value* as what JSON and OTLP know."""
    if value is None or isinstance(value, bool | int | float):
        return _number(value)
    if depth and isinstance(value, Mapping):
        pairs = zip(range(_ITEMS), value.items(), strict=False)
        return {text(key): plain(each, depth - 1) for _number_of, (key, each) in pairs}
    if depth and isinstance(value, list | tuple | set | frozenset):
        items = zip(range(_ITEMS), value, strict=False)
        return [plain(each, depth - 1) for _number_of, each in items]
    return shortened(text(value), _CHARACTERS)


def _number(value: float | None) -> float | str | None:
    if isinstance(value, float):
        # JSON has no infinity.
        return float(value) if math.isfinite(value) else text(value)
    if value is None or isinstance(value, bool):
        return value
    # OTLP has 64 bits, and so have most readers of JSON.
    return int(value) if -(2**63) <= value < 2**63 else shortened(text(value), _CHARACTERS)


def message(record: logging.LogRecord) -> str:
    """Return the message of *record*; one whose arguments do not fit is shown beside them."""
    try:
        # uvicorn ends the line above a traceback itself.
        return record.getMessage().rstrip("\n")
    except Exception:  # noqa: BLE001 - the handler would print it and drop the record
        return f"{text(record.msg)} {text(plain(record.args))}"


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what the program gave beside the message."""
    if record.__dict__.keys() <= _STANDARD:
        return {}
    found: dict[str, Any] = {}
    for key, value in list(record.__dict__.items()):
        if key not in _STANDARD and len(found) < _ITEMS:
            try:
                found[text(key)] = plain(value)
            except Exception as error:  # noqa: BLE001 - the code of a stranger
                found[text(key)] = f"<{type(value).__name__}: raised {type(error).__name__}>"
    return found


def exception(record: logging.LogRecord) -> tuple[str, str, str] | None:
    """Return class, message and stack trace of the exception that *record* tells about."""
    # What calls makeRecord itself may pass a flag, or a tuple of Nones.
    info = record.exc_info
    error = info[1] if isinstance(info, tuple) else None
    if error is None:
        return None
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    stack = record.exc_text or _stack(error)
    return name, text(error), stack


def _stack(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception as failed:  # noqa: BLE001 - the code of a stranger
        return f"<no stack trace: {type(failed).__name__}>"
