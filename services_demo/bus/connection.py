# SPDX-License-Identifier: Apache-2.0
"""A connection to the broker that fails soon instead of hanging, and how to come back."""

from __future__ import annotations

import logging
import time

import pika
from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import AMQPError, UnroutableError

from services_demo.bus.decoding import survive_unreadable_headers

log = logging.getLogger(__name__)

#: What a broker that is down, restarting, blocked or unable to take a message raises.
BrokerGone = (AMQPError, UnroutableError, OSError)


def connect(url: str, name: str) -> BlockingConnection:
    """Connect as *name*, which the broker's pages show."""
    survive_unreadable_headers()
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 10
    # pika waits for ever by default when the broker blocks publishers (memory or disk alarm).
    parameters.blocked_connection_timeout = 5
    parameters.socket_timeout = 3
    parameters.stack_timeout = 6
    parameters.connection_attempts = 1
    parameters.client_properties = {"connection_name": name}
    return BlockingConnection(parameters)


class Outage:
    """Says once that something is lost and once that it is back; paces the tries between."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since = 0.0
        self._pause = 0.5

    def failed(self, error: BaseException) -> float:
        """Note a failed try; return the seconds to wait before the next, 0.5 rising to 5."""
        if not self._since:
            self._since = time.monotonic()
            reason = " ".join(str(error).split()) or repr(error)
            log.warning("%s lost, trying again until it is back: %s", self._what, reason)
        pause, self._pause = self._pause, min(self._pause * 2, 5.0)
        return pause

    def over(self) -> None:
        """Note that it works."""
        if self._since:
            log.warning("%s back after %.1f s", self._what, time.monotonic() - self._since)
        self._since, self._pause = 0.0, 0.5
