# SPDX-License-Identifier: Apache-2.0
"""
Lines with trace ids, as text or as JSON, from handlers that a program made itself.

A program configures ``logging`` when it likes, and uvicorn and gunicorn do so again
later. So no formatter is set on any handler: at the moment of a line it is decided whether
the handler writes it in our layout, and nothing a program configures can come too late.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from otel_setup.instrumentation.logs import values
from otel_setup.instrumentation.logs.records import NOTHING, ids
from otel_setup.instrumentation.logs.replaced import Function, Life, method


def _time(record: logging.LogRecord) -> str:
    """Return the time of *record* by RFC 3339, in UTC."""
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Text(logging.Formatter):
    """One layout for all handlers; a stack trace follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        trace_id, span_id, _sampled = ids(record)
        return (
            f"{_time(record)} {record.levelname} {record.name} "
            f"[trace_id={trace_id} span_id={span_id}] {record.message}"
        )


def as_json(record: logging.LogRecord) -> str:
    """Return *record* as one line of JSON."""
    line: dict[str, Any] = {
        "time": _time(record),
        "level": record.levelname,
        "logger": record.name,
        "message": values.message(record),
    }
    trace_id, span_id, _sampled = ids(record)
    if (trace_id, span_id) != NOTHING[:2]:
        line |= {"trace_id": trace_id, "span_id": span_id}
    service = record.__dict__.get("otelServiceName")
    if service:
        line["service"] = service
    raised = values.exception(record)
    if raised:
        line["exception"] = dict(zip(("type", "message", "stacktrace"), raised, strict=True))
    if record.stack_info:
        line["stack"] = values.text(record.stack_info)
    extra = values.extras(record)
    if extra:
        line["extra"] = extra
    written = json.dumps(line, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(line)
    return written


def _as_text(record: logging.LogRecord, _handler: logging.Handler) -> str:
    return _TEXT.format(record)


def _as_json(record: logging.LogRecord, handler: logging.Handler) -> str:
    line = as_json(record)
    # A terminal that is not UTF-8 would lose the whole line.
    encoding = getattr(getattr(handler, "stream", None), "encoding", None) or "utf-8"
    if line.isascii() or encoding.lower().replace("-", "") == "utf8":
        return line
    return json.dumps(json.loads(line))


_TEXT = _Text()
FORMATS: dict[str, Callable[[logging.LogRecord, logging.Handler], str]] = {
    "text": _as_text,
    "json": _as_json,
}


def _is_console(stream: object) -> bool:
    return stream is sys.stderr or stream is sys.stdout or stream is sys.__stderr__


def _writes_ours(handler: logging.Handler) -> bool:
    """
    Tell whether *handler* writes lines in our layout.

    Those of the root logger do, and all that write to the console, whatever their logger:
    who reads a container's output as JSON cannot do with half of it. A file of a logger of
    its own keeps its layout.
    """
    if not isinstance(handler, logging.StreamHandler):
        return False
    if _is_console(handler.stream) or handler in logging.root.handlers:
        return True
    # Flask's writes to a stream of the request, which is the console's in the end.
    flask = sys.modules.get("flask.logging")
    return handler is getattr(flask, "default_handler", None)


class Lines:
    """Writes lines in the format ``text`` or ``json`` while it is on."""

    def __init__(self) -> None:
        self._format = method(logging.Handler, "format")

    def on(self, name: str) -> None:
        """Begin to write in the format *name*, unless another one is on."""
        layout = FORMATS[name]

        def wrap(original: Function, life: Life) -> Function:
            def in_layout(handler: logging.Handler, record: logging.LogRecord) -> Any:
                try:
                    if life.goes_on and _writes_ours(handler):
                        return layout(record, handler)
                except Exception:  # noqa: BLE001, S110 - the program's own layout, then
                    pass
                return original(handler, record)

            return in_layout

        self._format.on(wrap)

    def off(self) -> None:
        """End; what another package has put on top of ours stays."""
        self._format.off()
