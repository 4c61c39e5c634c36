# SPDX-License-Identifier: Apache-2.0
"""What a network and a storage can do to a request for S3."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

#: A body with a rate goes in pieces that are due so many times per second.
_PIECES_PER_SECOND = 50
_PIECE = 1 << 18
_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>{code}</Code><Message>The network of the tests says so.</Message></Error>"
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to one request; what is not set happens as always."""

    #: This is answered, and the storage is not asked.
    status: int = 0
    #: Code of the error in the body of that answer; without one it has no body.
    code: str = ""
    #: The answer comes before the body of a client that asked whether to send it.
    early: bool = False
    #: The connection is reset after the request, before any answer.
    reset: bool = False
    #: The connection is reset after so many bytes of the request's body.
    reset_up_after: int | None = None
    #: The answer's body ends after so many bytes, by a reset or as if it was whole.
    cut_after: int | None = None
    cut_by_reset: bool = False
    #: The byte at this place of the answer's body is another.
    corrupt_at: int | None = None
    #: Seconds until the answer begins.
    waits: float = 0
    #: Seconds of a pause in the answer's body after so many bytes.
    pause: float = 0
    pause_after: int = 0
    #: Bytes per second of both bodies; 0 is as fast as it goes.
    rate: float = 0


#: What storages answer that have too much to do.
SLOW_DOWN = Fault(status=503, code="SlowDown")
UNAVAILABLE = Fault(status=503)
TOO_MANY = Fault(status=429, code="TooManyRequests")
INTERNAL = Fault(status=500, code="InternalError")
#: Everything happens as always.
NONE = Fault()


@dataclass
class Exchange:
    """A request as the network saw it; one per attempt."""

    operation: str
    bucket: str
    key: str
    #: The same for all attempts of one call.
    call: str
    connection: int
    fault: Fault = NONE
    #: Whether it is a part of a transfer of s3transfer, which tries again itself.
    by_transfer: bool = False
    #: Whether the fault ended the answer's body before its end.
    cut: bool = False
    #: 0 without an answer.
    status: int = 0
    #: Bytes of payload from the client and to it.
    up: int = 0
    down: int = 0
    #: Seconds on the clock ``time.perf_counter``; 0 if it did not happen.
    began: float = field(default_factory=time.perf_counter)
    asked: float = 0
    answered: float = 0
    ended: float = 0


class Pace:
    """Keeps a body at *rate* bytes per second, without drifting; 0 does not hold it up."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        #: Bytes of one piece.
        self.piece = int(rate / _PIECES_PER_SECOND) or _PIECE
        self._passed = 0
        self._began = time.perf_counter()

    def keep(self, passed: int) -> None:
        """Sleep until so many more bytes are due."""
        self._passed += passed
        if self._rate:
            due = self._began + self._passed / self._rate
            time.sleep(max(0, due - time.perf_counter()))


def refusal(fault: Fault) -> bytes:
    """Return the body of the answer of a *fault*."""
    return _ERROR.format(code=fault.code).encode() if fault.code else b""
