# SPDX-License-Identifier: Apache-2.0
"""
A program that drives an ASGI app with hostile requests, and says what that cost.

``python -m tests.http_flood SECONDS REQUESTS`` is run by test_http_hostile. There is no
server in between: a million requests take minutes instead of hours, and all that grows is ours.
It prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from otel_setup import set_user, setup

#: Enough to fill each cache and queue that is allowed to be full.
WARM_UP = 8_000
_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT")
_HEADERS = (
    *(b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port"),
    *(b"forwarded", b"x-real-ip", b"via", b"referer", b"cookie", b"content-length"),
    *(b"traceparent", b"tracestate", b"baggage"),
)


class Strangers:
    """Requests as an attacker makes them; the same ones for the same *seed*."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def word(self, most: int = 24) -> str:
        """Return a random word."""
        return f"{self._random.getrandbits(4 * self._random.randint(1, most)):x}"

    def scope(self) -> dict[str, Any]:
        """Return an ASGI scope in which all that a client chooses is random."""
        chance = self._random
        path = chance.choice(("/users/{0}", "/{0}", "/{0}/{0}.php", "/fails", "/users/{1}"))
        length = 3000 if chance.random() < 0.01 else 24
        headers = [
            (b"host", f"{self.word()}.example:{chance.randint(-9, 99999)}".encode()),
            (b"user-agent", self.word(length).encode()),
            *((name, self.word(60).encode()) for name in chance.sample(_HEADERS, 3)),
        ]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": chance.choice((*_METHODS, self.word(12), self.word(12).upper())),
            "scheme": "http",
            # Some users come again and again: they are those who have series of their own.
            "path": path.format(self.word(length), chance.randint(0, 25)),
            "raw_path": b"/",
            "query_string": f"{self.word()}={self.word(length)}".encode(),
            "root_path": "",
            "headers": headers,
            "server": ("127.0.0.1", 8000),
            "client": (self.word(), chance.randint(0, 65535)),
            "state": {},
        }


def make_app() -> Any:
    """Return the app, whose users are whoever the path says."""
    from fastapi import FastAPI  # noqa: PLC0415 - after setup

    app = FastAPI()

    @app.api_route("/users/{user}", methods=["GET", "POST"])
    async def read(user: str) -> str:
        set_user(user, group="staff" if user < "4" else "guest")
        return "ok"

    @app.api_route("/fails")
    async def fails() -> None:
        raise ValueError("no such price")

    return app


async def flood(app: Any, strangers: Strangers, requests: int, deadline: float) -> int:
    """Send *requests* to *app*, or as many as there is time for; return how many."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: dict[str, Any]) -> None:
        pass

    for done in range(requests):
        if time.monotonic() > deadline:
            return done
        with contextlib.suppress(ValueError):  # of the app itself
            await app(strangers.scope(), receive, send)
    return requests


def heap(handle: Any) -> int:
    """Return the bytes of all that Python holds, with all queues empty."""
    assert handle.flush(30)
    gc.collect()
    # tracemalloc would say the same, and make the flood ten times slower.
    waiting = gc.get_objects()
    seen = {id(each) for each in waiting}
    total = 0
    while waiting:
        holder = waiting.pop()
        total += sys.getsizeof(holder)
        for held in gc.get_referents(holder):
            # The collector knows all but strings, numbers and what consists of those only.
            if id(held) not in seen:
                seen.add(id(held))
                waiting.append(held)
    return total


def resident_bytes() -> int:
    """Return what the kernel gives this process, which is coarse and only told."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Warm up, measure, go on as long as asked, measure again."""
    seconds, requests = float(sys.argv[1]), int(sys.argv[2])
    handle = setup()
    app, strangers = make_app(), Strangers(5)
    asyncio.run(flood(app, strangers, WARM_UP, time.monotonic() + seconds))
    resident = [resident_bytes()]
    before = heap(handle)
    deadline = time.monotonic() + seconds
    done = asyncio.run(flood(app, strangers, requests - WARM_UP, deadline))
    spent = seconds - (deadline - time.monotonic())
    resident.append(resident_bytes())
    after = heap(handle)
    sys.stdout.write(
        json.dumps(
            {
                "requests": WARM_UP + done,
                "per_second": round(done / spent),
                "heap": [before, after],
                "resident": resident,
            }
        )
    )


if __name__ == "__main__":
    main()
