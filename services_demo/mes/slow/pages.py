# SPDX-License-Identifier: Apache-2.0
"""The list of orders, read the way it should not be; what operators get is right all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from services_demo.database import Connection
from services_demo.mes import orders
from services_demo.mes.slow.switch import Cause
from services_demo.mes.states import State
from services_demo.web.pages import Page, fetch_page

Read: TypeAlias = Callable[[Connection, State | None, Page], dict[str, Any]]

#: The newest so many orders are asked for one by one: 200 queries, each with a span.
_ONE_BY_ONE = 100
#: Rows that are sorted for one page, and rows that are read for it.
_SORTED, _READ = 100_000, 10_000
#: The demo's few rows are in memory, and its two cores are for all: a disk would take so long.
_DISK_SECONDS = 0.5


def many_queries(connection: Connection, state: State | None, page: Page) -> dict[str, Any]:
    """Return the page after asking for each order and its calculation in a query of its own."""
    newest = connection.execute(
        "SELECT order_id FROM manufacturing_order ORDER BY created_at DESC LIMIT %s",
        (_ONE_BY_ONE,),
    ).fetchall()
    for row in newest:
        orders.find(connection, row["order_id"])
        connection.execute(
            "SELECT state, failure FROM price_task WHERE order_id = %s", (row["order_id"],)
        ).fetchall()
    return orders.page_of(connection, state, page)


def slow_statement(connection: Connection, state: State | None, page: Page) -> dict[str, Any]:
    """Return the page by a query that first sorts a large join, as slowly as from a disk."""
    return fetch_page(
        connection,
        orders.LISTED + " AND order_id IN"  # noqa: S608 - both are constants
        " (SELECT order_id FROM (SELECT o.order_id, md5(o.order_id::text || copy) AS hash"
        "   FROM manufacturing_order o, generate_series(1, %(sorted)s"
        "     / (SELECT greatest(count(*), 1) FROM manufacturing_order)) AS copy"
        "   ORDER BY hash OFFSET 0) AS sorted)"
        " AND (SELECT pg_sleep(%(disk)s)::text) IS NOT NULL",
        orders.OLDEST_FIRST,
        {"state": state, "sorted": _SORTED, "disk": _DISK_SECONDS},
        page,
    )


def whole_table(connection: Connection, state: State | None, page: Page) -> dict[str, Any]:
    """Return the page out of thousands of rows that are read for it; the demo repeats its few."""
    rows = connection.execute(
        "SELECT copy, to_jsonb(o) - 'model_key' - 'model_format' AS item"
        " FROM manufacturing_order o, generate_series(1, %(read)s"
        "  / (SELECT greatest(count(*), 1) FROM manufacturing_order)) AS copy"
        " ORDER BY o.created_at, o.order_id",
        {"read": _READ},
    ).fetchall()
    found = [
        row["item"] for row in rows if row["copy"] == 1 and state in {None, row["item"]["state"]}
    ]
    first = (page.page - 1) * page.size
    items = found[first : first + page.size]
    return {"items": items, "total": len(found), "page": page.page, "size": page.size}


#: How the list is read for each cause that lies in the reading itself.
PAGES: dict[Cause, Read] = {
    Cause.QUERIES: many_queries,
    Cause.STATEMENT: slow_statement,
    Cause.PAGE: whole_table,
}
