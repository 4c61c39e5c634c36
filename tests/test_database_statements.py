# SPDX-License-Identifier: Apache-2.0
"""What is read from the text of a statement: never a value, always the same for its kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_setup.instrumentation.database import statements
from otel_setup.instrumentation.database.statements import read

#: Statement → operation, table, summary.
READ: dict[str, tuple[str, str, str]] = {
    "SELECT 1": ("SELECT", "", "SELECT"),
    "select * from orders": ("SELECT", "orders", "SELECT orders"),
    "SELECT * FROM shop.orders WHERE id = 7": ("SELECT", "shop.orders", "SELECT shop.orders"),
    'SELECT "a" FROM "shop"."Orders" o': ("SELECT", "shop.Orders", "SELECT shop.Orders"),
    "SELECT * FROM orders o JOIN items USING (id) LEFT JOIN users u ON u.id = o.by": (
        *("SELECT", "orders"),
        "SELECT orders items users",
    ),
    "SELECT * FROM a, b AS c, a WHERE x IN (1, 2)": ("SELECT", "a", "SELECT a b"),
    "SELECT * FROM (SELECT 1 FROM inside) x JOIN outside ON true": (
        *("SELECT", "outside"),
        "SELECT SELECT inside outside",
    ),
    "INSERT INTO orders (id, state) VALUES (%s, %s)": ("INSERT", "orders", "INSERT orders"),
    "INSERT INTO a SELECT * FROM b ON CONFLICT (id) DO UPDATE SET x = 1": (
        *("INSERT", "a"),
        "INSERT a SELECT b",
    ),
    "UPDATE ONLY orders SET a = 1, b = 2 FROM items, more": (
        *("UPDATE", "orders"),
        "UPDATE orders items more",
    ),
    "DELETE FROM orders WHERE a IS DISTINCT FROM b": ("DELETE", "orders", "DELETE orders"),
    "SELECT * FROM orders FOR UPDATE OF orders SKIP LOCKED": (
        *("SELECT", "orders"),
        "SELECT orders",
    ),
    "WITH late AS (SELECT * FROM orders), x AS (SELECT 1) UPDATE items SET a=1 FROM late": (
        *("UPDATE", "items"),
        "SELECT orders SELECT UPDATE items",
    ),
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t": (
        *("SELECT", ""),
        "SELECT SELECT SELECT",
    ),
    "SELECT extract(epoch FROM at), substring(a FROM 2) FROM orders": (
        *("SELECT", "orders"),
        "SELECT orders",
    ),
    "SELECT * FROM generate_series(1, 10) n JOIN LATERAL (SELECT 1 FROM b) x ON true": (
        *("SELECT", "b"),
        "SELECT SELECT b",
    ),
    "/* who */ -- why\nSELECT 'x FROM y' FROM z": ("SELECT", "z", "SELECT z"),
    "(SELECT 1 FROM a) UNION (SELECT 2 FROM b)": ("SELECT", "a", "SELECT a SELECT b"),
    "COPY orders (id) FROM STDIN": ("COPY", "orders", "COPY orders"),
    "COPY (SELECT * FROM orders) TO STDOUT": ("COPY", "orders", "COPY SELECT orders"),
    "TRUNCATE TABLE orders CASCADE": ("TRUNCATE", "orders", "TRUNCATE orders"),
    "LOCK TABLE orders IN EXCLUSIVE MODE": ("LOCK", "orders", "LOCK orders"),
    "CREATE TABLE IF NOT EXISTS shop.orders (id int)": (
        *("CREATE", "shop.orders"),
        "CREATE shop.orders",
    ),
    "DROP TABLE IF EXISTS orders": ("DROP", "orders", "DROP orders"),
    "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = 1": (
        *("MERGE", "a"),
        "MERGE a",
    ),
    "FETCH FORWARD 10 FROM cursor": ("FETCH", "", "FETCH"),
    "SELECT pg_sleep(1)": ("SELECT", "", "SELECT"),
    "SELECT * FROM %s": ("SELECT", "", "SELECT"),
    "SELECT * FROM %(table)s, orders": ("SELECT", "orders", "SELECT orders"),
    'SELECT * FROM "a value; with \' marks"': ("SELECT", "", "SELECT"),
    "SELECT * FROM orders; DROP TABLE users": ("SELECT", "orders", "SELECT orders"),
    "EXPLAIN (ANALYZE) DELETE FROM orders": ("EXPLAIN", "orders", "EXPLAIN DELETE orders"),
    "BEGIN": ("BEGIN", "", "BEGIN"),
    "7 bottles": ("", "", ""),
    "": ("", "", ""),
    "secretword ' FROM x": ("", "", ""),
}


@pytest.mark.parametrize("text", READ)
def test_a_statement_is_read_by_its_words(text: str) -> None:
    """Operation, first table and summary; no value is any of them."""
    seen = read(text, "postgresql")
    assert (seen.operation, seen.table, seen.summary) == READ[text]


@given(st.text(alphabet="SELCTFROMINUPDAabxy \"'`().,;%$-/*\n\\19", max_size=120))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever it is, there are a few short words, and the operation is one of the known."""
    seen = statements._read(text, "postgresql")
    assert seen.operation == "" or seen.operation in statements.OPERATIONS
    assert len(seen.summary) <= 255
    assert len(seen.table) <= 128


@given(st.text(alphabet=st.characters(codec="ascii", exclude_characters="'\\"), max_size=40))
def test_a_value_is_in_nothing_that_is_read(value: str) -> None:
    """Neither in a label, nor in the text that is shown."""
    quoted = f"secret{value}secret"
    seen = statements._read(f"SELECT * FROM orders WHERE a = '{quoted}' AND b = 1", "postgresql")  # noqa: S608 - nothing runs it
    assert "secret" not in f"{seen.operation}{seen.table}{seen.summary}{seen.text}"
    assert seen.text == "SELECT * FROM orders WHERE a = ? AND b = ?"


def test_values_in_the_text_are_hidden_as_the_database_quotes_them() -> None:
    """MySQL takes a text in double quotes for a value."""
    assert read('SELECT * FROM a WHERE b = "x"', "mysql").text == "SELECT * FROM a WHERE b = ?"


def test_a_long_statement_is_read_and_shown_to_a_limit() -> None:
    """Ten thousand rows in one statement do not become ten thousand words."""
    rows = ", ".join(["(1, 'x')"] * 10_000)
    seen = read(f"INSERT INTO orders VALUES {rows}", "postgresql")  # noqa: S608 - nothing runs it
    assert (seen.operation, seen.table) == ("INSERT", "orders")
    assert len(seen.text) <= 8192


def test_tables_made_as_the_program_goes_do_not_fill_the_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first three hundred are labels; of the others only the text tells."""
    monkeypatch.setattr(statements, "_tables", statements._Tables())
    tables = {statements._read(f"SELECT * FROM t{n}", "postgresql").table for n in range(1000)}  # noqa: S608 - nothing runs it
    assert tables == {"", *(f"t{n}" for n in range(300))}


def test_the_same_text_is_read_once() -> None:
    """What a statement says is kept, for as many as a program has."""
    assert read("SELECT 1 FROM once", "postgresql") is read("SELECT 1 FROM once", "postgresql")
