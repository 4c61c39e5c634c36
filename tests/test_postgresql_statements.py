# SPDX-License-Identifier: Apache-2.0
"""Which statements have a name of their own, and what that name says."""

from __future__ import annotations

import pytest

from otel_setup.postgresql.statements import OTHER, Followed, Key, Total, summary

ONE, TWO, THREE = (Key("mes", number) for number in (1, 2, 3))


def totals(followed: Followed) -> dict[Key | str, Total]:
    """Return all that *followed* reports."""
    return dict(followed.totals())


def test_what_was_spent_before_the_reader_began_is_not_reported() -> None:
    """The first look is the mark from which seconds and calls count."""
    followed = Followed()
    followed.update({ONE: Total(500.0, 9)}, 0.0)
    assert totals(followed) == {}

    followed.update({ONE: Total(501.5, 11)}, 10.0)

    assert totals(followed) == {ONE: Total(1.5, 2)}


def test_a_new_statement_counts_from_its_first_call() -> None:
    """It was not there at the last look, so all that it cost was spent since."""
    followed = Followed()
    followed.update({ONE: Total(1.0, 1)}, 0.0)

    followed.update({ONE: Total(1.0, 1), TWO: Total(7.0, 3)}, 10.0)

    assert totals(followed) == {TWO: Total(7.0, 3)}


def test_a_server_that_forgot_its_counts_is_counted_from_nothing() -> None:
    """After pg_stat_statements_reset() the new total is all new."""
    followed = Followed()
    followed.update({ONE: Total(100.0, 50)}, 0.0)
    followed.update({ONE: Total(101.0, 51)}, 10.0)

    followed.update({ONE: Total(2.0, 4)}, 20.0)

    assert totals(followed) == {ONE: Total(3.0, 5)}


def test_the_dearest_statements_have_the_places() -> None:
    """The others are one series of their database, and nothing is lost."""
    followed = Followed(places=1)
    followed.update({}, 0.0)

    followed.update({ONE: Total(1.0, 1), TWO: Total(9.0, 2), THREE: Total(2.0, 3)}, 10.0)

    assert totals(followed) == {TWO: Total(9.0, 2), "mes": Total(3.0, 4)}


def test_a_statement_that_gets_dear_takes_the_place_of_the_cheapest() -> None:
    """It must be much dearer: places that change hands at every look make series."""
    followed = Followed(places=1)
    followed.update({}, 0.0)
    followed.update({ONE: Total(1.0, 1)}, 10.0)

    followed.update({ONE: Total(1.0, 1), TWO: Total(1.5, 1)}, 10.0)
    assert followed.keys() == [ONE]
    followed.update({ONE: Total(1.0, 1), TWO: Total(9.5, 2)}, 10.0)

    assert followed.keys() == [TWO]


def test_no_process_names_more_statements_than_it_may() -> None:
    """Ten thousand kinds of statements make five names."""
    followed = Followed(places=2, names=5)
    seen: set[Key | str] = set()
    for number in range(10_000):
        last = range(max(0, number - 9), number + 1)
        spent = {Key("mes", each): Total(2.0 ** min(each, 900), 1) for each in last}
        followed.update(spent, float(number))
        seen |= totals(followed).keys()

    assert len(seen - {"mes"}) == 5
    assert len(followed.keys()) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "SELECT * FROM orders WHERE id = $1": "SELECT orders",
        "select count(*)\nfrom public.orders o join customers c on c.id = o.id": (
            "SELECT public.orders"
        ),
        "/* SELECT secret */ INSERT INTO outbox (a) VALUES ($1)": "INSERT outbox",
        "UPDATE orders SET state = $1 WHERE id = $2": "UPDATE orders",
        "SELECT id FROM orders WHERE state = $1 FOR UPDATE SKIP LOCKED": "SELECT orders",
        "DELETE FROM ONLY sessions": "DELETE sessions",
        "WITH taken AS (SELECT id FROM jobs FOR UPDATE) UPDATE jobs SET a = $1": "WITH jobs",
        "CREATE TABLE IF NOT EXISTS x (a int)": "CREATE TABLE",
        "COPY orders TO STDOUT": "COPY orders",
        "SELECT pg_sleep($1)": "SELECT",
        "SELECT * FROM generate_series($1, $2)": "SELECT",
        "SELECT extract(epoch FROM created) FROM orders": "SELECT orders",
        "SET application_name = 'ann@example.org'": "SET",
        "BEGIN": "BEGIN",
        "": OTHER,
        "$1": OTHER,
    }.items(),
)
def test_a_summary_says_what_a_statement_does_and_no_value(text: str, expected: str) -> None:
    """Its first word and its first table."""
    assert summary(text) == expected
