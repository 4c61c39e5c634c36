# SPDX-License-Identifier: Apache-2.0
"""
What the pager needs to know from its environment, all problems said at once.

The services read theirs with pydantic; that alone would double the pager's memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ROOT = Path(__file__).resolve().parents[2]

_TRACE_ID = "{trace_id}"


class ConfigurationError(Exception):
    """The environment cannot be used; the text has one line per variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    The pager's variables: field ``heartbeat_seconds`` is PAGER_HEARTBEAT_SECONDS.

    ``keep`` is how many notifications are kept, ``heartbeat_seconds`` the silence after which
    the monitoring counts as dead. The Prometheus at ``prometheus_url`` is asked for traces;
    ``prometheus_page`` is its address for a browser if that is another. ``trace_url`` shows a
    trace. Without ``grafana_url`` there are no links to dashboards. ``runbooks`` is the document
    with one heading per alert. What was told outlives a restart in ``state_file``.
    """

    host: str = "127.0.0.1"
    port: int = 8090
    keep: int = 200
    heartbeat_seconds: float = 60.0
    prometheus_url: str = "http://127.0.0.1:9090"
    prometheus_page: str = ""
    trace_url: str = f"http://127.0.0.1:9411/zipkin/traces/{_TRACE_ID}"
    grafana_url: str = ""
    runbooks: Path = _ROOT / "docs" / "alerts.md"
    state_file: Path | None = None


def read(environ: Mapping[str, str]) -> Settings:
    """
    Read the settings from *environ*; an empty variable is as good as none.

    Raises:
        ConfigurationError: variables that cannot be used.
    """
    given: dict[str, Any] = {}
    problems: list[str] = []
    for field, parse in _PARSERS.items():
        variable = f"PAGER_{field.upper()}"
        text = environ.get(variable, "")
        if not text:
            continue
        try:
            given[field] = parse(text)
        except ValueError as error:
            problems.append(f"{variable}={text!r}: {error}. Change it and start again.")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return Settings(**given)


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:-]+", text):
        raise ValueError("expected an address of this machine like 127.0.0.1")
    return text


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:  # noqa: PLR2004 - a day; this also refuses "nan"
        raise ValueError("expected seconds from 1 to 86400")
    return seconds


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected an address like http://127.0.0.1:9090")
    parts.port  # noqa: B018 - raises for a port that is none
    return text.rstrip("/")


def _trace_url(text: str) -> str:
    if _TRACE_ID not in text:
        raise ValueError(f"expected an address with {_TRACE_ID} in it")
    return _url(text)


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "host": _host,
    "port": _whole(1, 65535),
    "keep": _whole(1, 10_000),
    "heartbeat_seconds": _seconds,
    "prometheus_url": _url,
    "prometheus_page": _url,
    "trace_url": _trace_url,
    "grafana_url": _url,
    "runbooks": Path,
    "state_file": Path,
}
