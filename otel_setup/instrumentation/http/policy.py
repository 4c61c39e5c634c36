# SPDX-License-Identifier: Apache-2.0
"""Which requests are measured, and how much a caller is believed; read once, when patching."""

from __future__ import annotations

import logging
import os
import random
import re
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otel_setup.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context

_logger = logging.getLogger("otel_setup")

#: Paths come from strangers: few are remembered, and only short ones.
_MOST_PATHS = 512
_LONGEST_PATH = 200


class Policy:
    """What the environment says about the requests of one framework."""

    __slots__ = ("_decided", "_excluded", "untrusted")

    def __init__(self, excluded: tuple[str, ...], *, untrusted: bool) -> None:
        self._excluded = re.compile("|".join(excluded)) if excluded else None
        self._decided: dict[tuple[str, object, object], bool] = {}
        self.untrusted = untrusted

    @classmethod
    def from_env(cls, framework: str | None = None) -> Policy:
        """
        Read it for *framework*, whose own list of URLs replaces the general one.

        Raises:
            ConfigError: the environment is wrong.
        """
        settings = Settings.from_env()
        excluded = settings.excluded_urls
        if framework is not None:
            excluded = _own(f"OTEL_PYTHON_{framework.upper()}_EXCLUDED_URLS", excluded)
        return cls(excluded, untrusted=settings.untrusted)

    def excludes(self, scheme: str, host: object, port: object, path: str) -> bool:
        """Tell whether the request for *path* is left out; *host* and *port* are the server's."""
        if self._excluded is None:
            return False
        key = (path, host, port)
        decided = self._decided.get(key)
        if decided is None:
            decided = self._excluded.search(_url(scheme, host, port, path)) is not None
            if len(path) <= _LONGEST_PATH:
                if len(self._decided) >= _MOST_PATHS:
                    self._decided.clear()
                self._decided[key] = decided
        return decided


def _url(scheme: str, host: object, port: object, path: str) -> str:
    return f"{scheme}://{host or '0.0.0.0'}:{port or 80}{path}"  # noqa: S104 - as upstream writes it


def _own(name: str, general: tuple[str, ...]) -> tuple[str, ...]:
    if name not in os.environ:
        return general
    own = tuple(part for each in os.environ[name].split(",") if (part := each.strip()))
    try:
        re.compile("|".join(own))
    except re.error as error:
        _logger.warning(
            "%s=%r: expected regular expressions with commas (%s). "
            "OTEL_PYTHON_EXCLUDED_URLS is used; mend or unset it.",
            name,
            os.environ[name],
            error,
        )
        return general
    return own


def left_out(current: Context) -> Context:
    """Return *current* for a request of which nothing is measured, nor of what it calls."""
    token = context.attach(current)
    try:
        with suppress_instrumentation():
            quiet = context.get_current()
    finally:
        context.detach(token)
    # Spans that the program makes by itself follow a parent that is not kept.
    unkept = SpanContext(random.getrandbits(127) + 1, random.getrandbits(63) + 1, is_remote=False)
    return trace.set_span_in_context(NonRecordingSpan(unkept), quiet)
