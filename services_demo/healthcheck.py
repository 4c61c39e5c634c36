# SPDX-License-Identifier: Apache-2.0
"""
Tell a container runtime whether a part of the company serves.

``python -m services_demo.healthcheck http URL`` asks for 200; ``… consumer QUEUE`` asks
RabbitMQ's page whether somebody reads the queue, with the user of AMQP_URL: a worker that is
deaf is not healthy. If not, it says what it saw and ends with 1. Only the standard library,
since it runs every few seconds.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.request
from urllib.parse import unquote, urlsplit

_SECONDS = 3
_PAGE = 15672


def main(kind: str, what: str) -> str:
    """Return what is wrong; nothing if all is well."""
    try:
        if kind == "http":
            _get(what, {})
            return ""
        broker = urlsplit(os.environ["AMQP_URL"])
        login = f"{unquote(broker.username or '')}:{unquote(broker.password or '')}"
        page = os.environ.get("RABBITMQ_PAGE", f"http://{broker.hostname}:{_PAGE}")
        answer = _get(
            f"{page}/api/queues/%2F/{what}",
            {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"},
        )
        return "" if json.loads(answer).get("consumers") else f"queue {what} has no consumer"
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _get(url: str, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own addresses
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - the same
        return bytes(answer.read())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or None)
