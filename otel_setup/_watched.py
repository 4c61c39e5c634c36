# SPDX-License-Identifier: Apache-2.0
"""
Watch what becomes of each export.

A processor of the SDK drops the result that its exporter returns. `Watched` stands around
an exporter, tells `Complaints` how each export ended and knows what is under way. It works
on any exporter, of whatever signal.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from otel_setup._complaints import Complaints, Throttle, attempt


class Watched:
    """An exporter of *signal* whose results are told; all else is *inner*'s."""

    def __init__(self, inner: Any, signal: str, complaints: Complaints, throttle: Throttle) -> None:
        self.inner = inner
        self.signal = signal
        #: How many spans or log records are being exported now; None between two exports.
        self.under_way: int | None = None
        #: Held during an export.
        self.gate = threading.Lock()
        self._complaints = complaints
        self._throttle = throttle
        if hasattr(getattr(inner, "_metrics", None), "export_operation"):
            inner._metrics = _Honest(inner._metrics)  # noqa: SLF001 - see the class

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def export(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        """Export *batch* and tell how it ended."""
        with self.gate:
            return self._export(batch, *args, **kwargs)

    def _export(self, batch: Any, *args: Any, **kwargs: Any) -> Any:
        items = len(batch) if hasattr(batch, "__len__") else 0
        self.under_way = items
        self._throttle.revive()
        attempt.signal, attempt.trouble, attempt.said = self.signal, "", ""
        try:
            result = self.inner.export(batch, *args, **kwargs)
        except Exception as error:
            self._complaints.failed(self.signal, items, f"{type(error).__name__}: {error}")
            raise
        finally:
            attempt.signal = None
            self.under_way = None
        if getattr(result, "name", "SUCCESS") == "SUCCESS":
            self._complaints.arrived(self.signal)
        else:
            trouble = attempt.trouble or attempt.said or "the exporter gives no reason"
            self._complaints.failed(self.signal, items, trouble)
        return result

    def renew(self) -> None:
        """Forget what the parent of this forked process was exporting."""
        self.gate = threading.Lock()
        self.under_way = None

    def shutdown(self, *args: Any, **kwargs: Any) -> Any:
        """End *inner*."""
        return self.inner.shutdown(*args, **kwargs)

    def force_flush(self, *args: Any, **kwargs: Any) -> Any:
        """Have *inner* send what it keeps."""
        return self.inner.force_flush(*args, **kwargs)


class Pause:
    """
    Keeps exporters over gRPC still while the process forks.

    gRPC gives up on a child that is born during a call: what that child sends never arrives.
    An export that takes longer than *seconds* is not waited for.
    """

    def __init__(self, watched: Sequence[Watched], seconds: float = 0.3) -> None:
        self._watched = watched
        self._seconds = seconds
        self._held: list[Watched] = []
        # The last that is registered is the first that runs: ahead of gRPC's own.
        os.register_at_fork(
            before=self._begin, after_in_parent=self._end, after_in_child=self._held.clear
        )

    def _begin(self) -> None:
        deadline = time.monotonic() + self._seconds
        for watched in self._watched:
            left = max(0.0, deadline - time.monotonic())
            if hasattr(watched.inner, "_channel") and watched.gate.acquire(timeout=left):
                self._held.append(watched)

    def _end(self) -> None:
        while self._held:
            self._held.pop().gate.release()


class ExportFailed(Exception):
    """Stands for a failure that upstream gives no class; its name becomes ``error.type``."""


class _Honest:
    """
    The exporter's own metrics, without failures that count as successes.

    Upstream knows a failure by its exception, and an export whose last answer was a status
    such as 503 has none.
    """

    def __init__(self, inner: Any) -> None:
        self._told = inner

    def export_operation(self, items: int) -> AbstractContextManager[Any]:
        """Count *items*, which are exported inside the block."""
        return self._operation(items)

    @contextlib.contextmanager
    def _operation(self, items: int) -> Iterator[Any]:
        with self._told.export_operation(items) as result:
            yield result
            if result.error is None and attempt.trouble:
                result.error = ExportFailed(attempt.trouble)
