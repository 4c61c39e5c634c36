# SPDX-License-Identifier: Apache-2.0
"""
What a message's way is called: in full on its span, without ids in labels and names of spans.

The names are those of the semantic conventions for RabbitMQ:
https://opentelemetry.io/docs/specs/semconv/messaging/rabbitmq/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

#: Patterns of routing keys, as of a topic exchange: a key that matches is called by its pattern.
VARIABLE = "OTEL_SETUP_ROUTING_KEYS"

_DEFAULT = "amq.default"
ANONYMOUS = "(anonymous)"

#: A UUID, or a long hexadecimal number, anywhere.
_LONG_ID = re.compile(
    r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
    r"|(?<![0-9a-zA-Z])[0-9a-fA-F]{16,}(?![0-9a-zA-Z])"
)
#: A number that is a whole word.
_NUMBER = re.compile(r"(?:(?<=\.)|^)[0-9]+(?=\.|$)")
#: AMQP limits both to 255 bytes.
_REMEMBERED = 4096


class Destination(NamedTuple):
    """Where a message goes to, or comes from."""

    #: As it is.
    name: str
    #: Of few values; the same where there is nothing to leave out.
    template: str


class Naming:
    """Names destinations, with *patterns* for keys whose values nobody can count."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [(pattern, _compiled(pattern)) for pattern in patterns]
        # Routing keys repeat; each is looked at once.
        self._key = lru_cache(_REMEMBERED)(self._look)
        self.queue = lru_cache(_REMEMBERED)(_queue)
        self._join = lru_cache(_REMEMBERED)(self._joined)

    @classmethod
    def from_env(cls) -> Naming:
        """Return the naming that the environment asks for."""
        names = os.environ.get(VARIABLE, "").split(",")
        return cls(name.strip() for name in names if name.strip())

    def sent(self, exchange: str, routing_key: str) -> Destination:
        """Name where a publisher sends to."""
        return self._join(exchange, routing_key, "")

    def received(self, exchange: str, routing_key: str, queue: str) -> Destination:
        """Name where a consumer of *queue* gets a message from."""
        return self._join(exchange, routing_key, queue)

    def _joined(self, exchange: str, routing_key: str, queue: str) -> Destination:
        # Parts that repeat are said once: the default exchange has no name, and its key is a queue.
        key = self._key(routing_key) if exchange else self.queue(routing_key) if routing_key else ""
        full = [part for part in dict.fromkeys((exchange, routing_key, queue)) if part]
        short = (exchange, key, self.queue(queue) if queue else "")
        template = ":".join(part for part in dict.fromkeys(short) if part)
        return Destination(":".join(full) or _DEFAULT, template or _DEFAULT)

    def _look(self, routing_key: str) -> str:
        for pattern, matches in self._patterns:
            if matches.fullmatch(f"{routing_key}."):
                return pattern
        return _NUMBER.sub("{id}", _LONG_ID.sub("{id}", routing_key))


def _queue(name: str) -> str:
    """Return how the queue *name* is called in labels."""
    if not name or name.startswith("amq."):
        return ANONYMOUS  # the broker named it: amq.gen-…, or this is a direct reply-to
    return _LONG_ID.sub("{id}", name)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Return what matches keys, with a dot behind, of a topic *pattern*: * a word, # any words."""
    words = {"*": r"[^.]+\.", "#": r"(?:[^.]+\.)*"}
    return re.compile(
        "".join(words.get(word, rf"{re.escape(word)}\.") for word in pattern.split("."))
    )
