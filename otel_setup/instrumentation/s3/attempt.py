# SPDX-License-Identifier: Apache-2.0
"""One attempt of a call: what goes over its connection."""

from __future__ import annotations

from timeit import default_timer
from typing import TYPE_CHECKING, Any

from otel_setup.instrumentation.s3 import measures

if TYPE_CHECKING:
    from opentelemetry.context import Context

#: Bytes after which a long body is counted, so that a slow one does not come all at once.
STEP = 1024 * 1024


class Attempt:
    """An attempt; what it sent and received is counted on the way and when it ends."""

    __slots__ = (
        "_bucket",
        "_counted",
        "_method",
        "connection",
        "context",
        "framed",
        "framing",
        "headed",
        "raw",
        "requested",
        "sent",
        "suppressed",
    )

    def __init__(self, bucket: str, method: str, context: Context) -> None:
        self._bucket = bucket
        self._method = method
        self._counted = 0
        #: That of the call: what the program does while its file is read belongs there.
        self.context = context
        #: The connection that it uses; None before it has one.
        self.connection: Any = None
        #: Whether its headers are sent: what follows them is the body.
        self.headed = False
        #: The body that says itself how much of it was read, since it is sent with framing.
        self.framed: Any = None
        #: Whether what is sent is framed by its length.
        self.framing = False
        #: Whether the HTTP client below is kept from making a span of its own.
        self.suppressed = False
        #: Bytes of the body that were sent.
        self.sent = 0
        #: When the request was sent.
        self.requested = 0.0
        #: The answer, as urllib3 has it.
        self.raw: Any = None

    def went(self, size: int) -> None:
        """Note that *size* bytes of the body were sent."""
        self.sent += size
        if self.sent - self._counted >= STEP:
            self._count()

    def fetched(self, size: int) -> None:
        """Note that *size* bytes are about to be sent, after all that were fetched before."""
        if self.sent - self._counted >= STEP:
            self._count()
        self.sent += size

    def _count(self) -> None:
        measures.IO.add(self.sent - self._counted, self._bucket, self._method, "transmit")
        self._counted = self.sent

    def first_byte(self) -> None:
        """Note that the answer begins to come."""
        if self.requested:
            measures.FIRST_BYTE.record(
                default_timer() - self.requested,
                measures.operation(self._bucket, self._method),
                self.context,
            )

    def end(self, answer: Any, *, pending: bool) -> int:
        """
        Count what is not yet counted; return the bytes of the answer's body.

        *pending* says that the body is still to be read, and counted then.
        """
        raw, self.raw, self.connection = self.raw, None, None
        framed, self.framed = self.framed, None
        if framed is not None:
            # What was read but stayed behind when the connection broke.
            self.sent = max(0, self.sent - len(framed._remaining))  # noqa: SLF001 - no public way
        if self.sent > self._counted:
            self._count()
        if pending:
            return 0
        content = getattr(answer, "_content", None)
        size: int = len(content) if content is not None else _told(raw)
        if size:
            measures.IO.add(size, self._bucket, self._method, "receive")
        return size


def _told(raw: Any) -> int:
    """Return how much of an answer came that broke off."""
    return 0 if raw is None else int(raw.tell())
