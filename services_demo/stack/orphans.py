# SPDX-License-Identifier: Apache-2.0
"""
End the children of a program that died, so that its successor finds its port free.

A server's worker processes outlive a parent that was killed, and go on holding its port.
The supervisor runs this as an event listener: it is told of each program that exited.
"""

from __future__ import annotations

import contextlib
import os
import signal

from supervisor import childutils


def main() -> None:
    """Serve the supervisor's events until it ends."""
    while True:
        _headers, payload = childutils.listener.wait()
        event = childutils.get_headers(payload)
        # Every program leads a process group of its own, which bears its number.
        with contextlib.suppress(ProcessLookupError, KeyError, ValueError):
            os.killpg(int(event["pid"]), signal.SIGKILL)
        childutils.listener.ok()


if __name__ == "__main__":
    main()
