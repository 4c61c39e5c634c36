# SPDX-License-Identifier: Apache-2.0
"""The table of dead letters: one row for each, which is marked and never deleted by us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, LiteralString

from psycopg.types.json import Jsonb

from otel_setup import untraced

if TYPE_CHECKING:
    from services_demo.database import Connection
    from services_demo.deadletters.letter import DeadLetter

State = Literal["waiting", "replayed", "dropped"]
Row = dict[str, Any]

#: A death's own time may be missing, or be ahead of our clock.
_AGE: LiteralString = (
    "greatest(0, extract(epoch FROM clock_timestamp() - coalesce(last_died_at, kept_at)))"
    "::double precision"
)

_SHOWN: LiteralString = (
    "SELECT dead_letter_id, state, queue, reason,"  # noqa: S608 - all of it is literal
    " event, message_id, trace_id, deaths, replays,"
    f" exchange, routing_key, first_died_at, last_died_at, kept_at, {_AGE} AS age,"
    " length(body) AS body_bytes, handled_at, because FROM dead_letter"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are meant; what is None is not asked for."""

    queue: str | None = None
    reason: str | None = None
    event: str | None = None
    trace: str | None = None
    older_than: float | None = None
    state: str | None = "waiting"

    @property
    def chooses(self) -> bool:
        """Whether it leaves anything out."""
        return any(getattr(self, each.name) is not None for each in fields(self)[:-1])


_WHERE: Mapping[str, LiteralString] = {
    "queue": "queue = %(queue)s",
    "reason": "reason = %(reason)s",
    "event": "event = %(event)s",
    "trace": "trace_id = %(trace)s",
    "older_than": f"{_AGE} > %(older_than)s",
    "state": "state = %(state)s",
}


def keep(database: Connection, letter: DeadLetter) -> int | None:
    """Store *letter*; return the id of its row, None if it was stored before."""
    row = database.execute(
        "INSERT INTO dead_letter (fingerprint, message_id, event, queue, reason, exchange,"
        " routing_key, deaths, first_died_at, last_died_at, replays, properties, headers,"
        " trace_context, trace_id, body) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING dead_letter_id",
        (
            letter.fingerprint,
            letter.message_id,
            letter.event,
            letter.queue,
            letter.reason,
            letter.exchange,
            letter.routing_key,
            letter.deaths,
            letter.first_died_at,
            letter.last_died_at,
            letter.replays,
            Jsonb(letter.properties),
            Jsonb(letter.headers),
            Jsonb(letter.trace_context),
            letter.trace_id,
            letter.body,
        ),
    ).fetchone()
    if row is None:
        return None
    _count(database, letter.queue, letter.reason, "kept")
    return int(row["dead_letter_id"])


def find(database: Connection, wanted: Filter, limit: int) -> list[Row]:
    """Return the first *limit* of the dead letters that are *wanted*, without their bodies."""
    conditions = [
        condition for name, condition in _WHERE.items() if getattr(wanted, name) is not None
    ]
    where: LiteralString = " AND ".join(conditions) or "true"
    values = {**{name: getattr(wanted, name) for name in _WHERE}, "limit": limit}
    # All of it is literal: what was typed comes as values.
    query: LiteralString = f"{_SHOWN} WHERE {where} ORDER BY dead_letter_id LIMIT %(limit)s"
    with untraced():  # somebody who looks is no part of any order
        return database.execute(query, values).fetchall()


def get(database: Connection, identity: int) -> Row | None:
    """Return all of one dead letter; None if there is no such row."""
    with untraced():
        return database.execute(
            f"SELECT *, {_AGE} AS age FROM dead_letter"  # noqa: S608 - so is this
            " WHERE dead_letter_id = %s",
            (identity,),
        ).fetchone()


def take(database: Connection, identity: int) -> Row | None:
    """
    Return a dead letter that waits, locked until the end of the transaction.

    None if it waits no more, or if somebody else has it in hand just now.
    """
    with untraced():
        return database.execute(
            "SELECT * FROM dead_letter WHERE dead_letter_id = %s AND state = 'waiting'"
            " FOR UPDATE SKIP LOCKED",
            (identity,),
        ).fetchone()


def mark(database: Connection, row: Row, state: State, because: str | None = None) -> None:
    """Note that the dead letter of *row* was replayed or dropped, and count it."""
    database.execute(
        "UPDATE dead_letter SET state = %s, because = %s, handled_at = clock_timestamp()"
        " WHERE dead_letter_id = %s",
        (state, because, row["dead_letter_id"]),
    )
    _count(database, row["queue"], row["reason"], state)


def _count(database: Connection, queue: str, reason: str, action: str) -> None:
    database.execute(
        "INSERT INTO dead_letter_count VALUES (%s, %s, %s, 1) ON CONFLICT (queue, reason, action)"
        " DO UPDATE SET letters = dead_letter_count.letters + 1",
        (queue, reason, action),
    )
