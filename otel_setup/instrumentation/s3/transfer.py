# SPDX-License-Identifier: Apache-2.0
"""One object on its way to the storage or from it, however many calls that takes."""

from __future__ import annotations

from timeit import default_timer
from typing import TYPE_CHECKING

from otel_setup.instrumentation.s3 import measures, state

if TYPE_CHECKING:
    from opentelemetry.context import Context

#: Bytes from which on a speed says something about the storage.
_FAST_ENOUGH_TO_TELL = 64 * 1024


class Transfer:
    """A transfer; it is under way until `end`."""

    __slots__ = ("__weakref__", "_ended", "bucket", "direction", "start")

    def __init__(self, direction: str, bucket: str) -> None:
        self.direction = direction
        self.bucket = bucket
        self.start = default_timer()
        self._ended = False
        state.enter(self)

    def end(
        self,
        outcome: str,
        *,
        error: str = "",
        size: int = 0,
        seconds: float | None = None,
        context: Context | None = None,
    ) -> None:
        """
        Measure it, once; no *outcome* means that there was nothing to transfer.

        *outcome* is completed, failed, abandoned or unread; *size* is in bytes.
        """
        if self._ended:
            return
        self._ended = True
        state.leave(self)
        if not outcome:
            return
        took = default_timer() - self.start if seconds is None else seconds
        measures.TRANSFER_DURATION.record(
            took, measures.transfer(self.bucket, self.direction, outcome, error), context
        )
        if outcome == "completed" and size >= _FAST_ENOUGH_TO_TELL and took > 0:
            measures.TRANSFER_SPEED.record(
                size / took, measures.transfer(self.bucket, self.direction, "", ""), context
            )
