# SPDX-License-Identifier: Apache-2.0
"""What Alertmanager posts to the pager, and how one asks it."""

from __future__ import annotations

import http.client
import json
import sys
from datetime import UTC, datetime
from typing import Any

from services_demo.pager.notification import Notification, parse

COMMAND = [sys.executable, "-m", "services_demo.pager"]

#: A document of runbooks as the catalogue renders it.
RUNBOOKS = """\
# The company: alerts

## Broker

The broker's chapter.

### QueueHasNoConsumers

<a id="queue"></a>
Nobody takes messages of `queue`, see [another](#eventhandlingfails), [all](metrics.md#queues)
and [the manual](https://www.rabbitmq.com/). <script>alert(1)</script>

```promql
sum by (queue) (rabbitmq_queue_consumers{queue="a&b"}) < 1
```

### EventHandlingFails

An event fails.

```
### InCode
```

Still the same.

## Words after it

Not a runbook.
"""


def alert(name: str = "QueueHasNoConsumers", status: str = "firing", **more: Any) -> dict[str, Any]:
    """Return an alert as Alertmanager sends it."""
    labels = {"alertname": name, "severity": "critical", "team": "platform", "queue": "mes.orders"}
    return {
        "status": status,
        "labels": labels,
        "annotations": {"summary": "Nobody takes orders.", "description": "12 messages wait."},
        "startsAt": "2026-05-01T10:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-05-01T10:05:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph?g0.expr=up&g0.tab=1",
        "fingerprint": f"finger-{name}",
        **more,
    }


def webhook(*alerts: dict[str, Any], **more: Any) -> bytes:
    """Return the body that Alertmanager posts for *alerts*."""
    return json.dumps({"version": "4", "groupKey": "{}", "alerts": alerts, **more}).encode()


def told(name: str = "A", status: str = "firing", starts_at: float = 0.0) -> Notification:
    """Return one parsed alert."""
    (parsed,) = parse(webhook(alert(name, status, startsAt=moment(starts_at))))
    return parsed


def moment(seconds: float) -> str:
    """Return a time as Alertmanager writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


class Client:
    """Talks to a pager that runs as a program."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Return status and text of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def post(self, path: str, body: bytes) -> tuple[int, str]:
        """Post *body*; an error comes back as its message."""
        status, text = self.ask("POST", path, body)
        return status, json.loads(text).get("error", {}).get("message", text)

    def state(self) -> Any:
        """Return what scripts see."""
        return json.loads(self.ask("GET", "/api/notifications")[1])
