# SPDX-License-Identifier: Apache-2.0
"""Lists by page: one query gives the items and how many there are in all."""

from collections.abc import Mapping
from typing import Annotated, Any, LiteralString

from psycopg import sql
from pydantic import BaseModel, ConfigDict, Field

from services_demo.database import Connection

PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]
PageSize = Annotated[int, Field(ge=1, le=100)]


class Page(BaseModel):
    """Which part of a list a client wants."""

    model_config = ConfigDict(extra="forbid")

    page: PageNumber = 1
    size: PageSize = 20


def fetch_page(
    connection: Connection,
    query: LiteralString,
    order_by: LiteralString,
    parameters: Mapping[str, Any],
    page: Page,
) -> dict[str, Any]:
    """Return one page of *query*'s rows with their total, in a single round trip."""
    row = connection.execute(
        sql.SQL(
            "WITH matching AS ({query}) SELECT (SELECT count(*) FROM matching) AS total,"
            " (SELECT coalesce(json_agg(item), '[]') FROM (SELECT * FROM matching"
            " ORDER BY {order_by} LIMIT %(limit)s OFFSET %(offset)s) AS item) AS items"
        ).format(query=sql.SQL(query), order_by=sql.SQL(order_by)),
        {**parameters, "limit": page.size, "offset": (page.page - 1) * page.size},
    ).fetchone()
    assert row is not None  # noqa: S101 - a select of aggregates has one row
    return {"items": row["items"], "total": row["total"], "page": page.page, "size": page.size}
