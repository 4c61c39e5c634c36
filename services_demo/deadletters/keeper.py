# SPDX-License-Identifier: Apache-2.0
"""The keeper: takes every dead letter from its queue into the table, whatever it holds."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psycopg

from services_demo.bus import Subscription, patiently
from services_demo.bus.topology import DEAD
from services_demo.database import Unavailable
from services_demo.deadletters import store
from services_demo.deadletters.letter import DeadLetter, read, unread

if TYPE_CHECKING:
    from threading import Event

    import pika
    from pika.adapters.blocking_connection import BlockingChannel
    from pika.spec import Basic

    from services_demo.database import Pool

log = logging.getLogger(__name__)

#: So many bodies are in memory at most.
_PREFETCH = 20


class Keeper:
    """
    Stores each message of the queue of the dead, and acknowledges it when that is committed.

    A crash between the two brings the message again: it is stored once, unless it has no id.
    While the database is away, messages stay in the queue.
    """

    def __init__(self, broker_url: str, pool: Pool) -> None:
        self.name = f"{DEAD} keeper"
        self._broker_url = broker_url
        self._pool = pool

    def run(self, stop: Event) -> None:
        """Keep until *stop*; the message in hand is finished first."""
        self._stop = stop
        Subscription(DEAD, self.name, self._broker_url, self._on_message, prefetch=_PREFETCH).run(
            stop
        )

    def _on_message(
        self,
        channel: BlockingChannel,
        method: Basic.Deliver,
        properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        if self._stop.is_set():
            return  # not acknowledged: it comes again
        # Nothing may be turned down here: behind this queue there is no other.
        kept = patiently(
            lambda: self._keep(method, properties, body),
            channel,
            self._stop,
            what=f"{self.name}: database",
            until=(psycopg.Error,),
        )
        if kept:
            channel.basic_ack(method.delivery_tag)

    def _keep(self, method: Basic.Deliver, properties: pika.BasicProperties, body: bytes) -> bool:
        try:
            self._store(read(method, properties, body))
        except Unavailable:
            raise
        except Exception:
            # Whatever it is: those behind it must not wait until somebody has mended it.
            self._store(unread(method, properties, body))
            log.exception("only the body is kept of message %r", properties.message_id)
        return True

    def _store(self, letter: DeadLetter) -> None:
        with self._pool.connection() as database:
            identity = store.keep(database, letter)
        if identity is None:
            return
        log.warning(
            "dead letter %d is kept: %s of queue %s, %s, message %s, trace %s",
            identity,
            letter.event or "a message",
            letter.queue or "(unknown)",
            letter.reason or "no reason given",
            letter.message_id or "without id",
            letter.trace_id or "none",
        )
