# SPDX-License-Identifier: Apache-2.0
"""The list of orders, as slow as the switch says; off, it costs one short query a second."""

from __future__ import annotations

from services_demo.database import Connection, Pool
from services_demo.mes.slow.holders import Holders
from services_demo.mes.slow.pages import PAGES, Read
from services_demo.mes.slow.switch import Switch, turn_off


class SlowList:
    """What one process of the API does about the switch, which its start turns off."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._switch = Switch()
        self._holders = Holders(pool, url)
        with pool.connection() as database:
            turn_off(database)

    def way(self, database: Connection) -> Read | None:
        """Return how to read the list, if not as usual, and see to it that who holds it up runs."""
        cause = self._switch.cause(database)
        if cause is None:
            return None
        self._holders.ensure(cause)
        return PAGES.get(cause)
