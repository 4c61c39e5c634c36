# SPDX-License-Identifier: Apache-2.0
"""Upstream's instrumentation of botocore leaves S3 to ours, and has all other services."""

from __future__ import annotations

from typing import Any

_SERVICE = "s3"
_ABSENT = object()


class _Ours:
    """What upstream asks whether it is to trace a call of S3."""

    def __init__(self, _call: Any) -> None:
        pass

    def should_trace_service_call(self) -> bool:
        """Tell it not to: whichever of both was applied first, one of them does."""
        return False


class StandsAside:
    """Upstream's table of services, with ours in the place of S3 from `ask` until `release`."""

    def __init__(self) -> None:
        self._before: Any = _ABSENT
        self._table: dict[str, Any] | None = None

    def ask(self) -> None:
        """Ask upstream, if it is installed."""
        try:
            from opentelemetry.instrumentation.botocore.extensions import (  # noqa: PLC0415
                _BOTOCORE_EXTENSIONS,
            )
        except ImportError:
            return
        self._table = _BOTOCORE_EXTENSIONS
        self._before = self._table.get(_SERVICE, _ABSENT)
        self._table[_SERVICE] = lambda: _Ours

    def release(self) -> None:
        """Let upstream do as before."""
        table, self._table = self._table, None
        if table is None:
            return
        if self._before is _ABSENT:
            table.pop(_SERVICE, None)
        else:
            table[_SERVICE] = self._before
