# SPDX-License-Identifier: Apache-2.0
"""One way to talk to the person at the terminal."""

from __future__ import annotations

import time


def say(text: str) -> None:
    """Print *text* at once, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
