# SPDX-License-Identifier: Apache-2.0
"""What one run of the traffic should do, and the numbers that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from services_demo.traffic.pacing import OrderClock
from services_demo.traffic.scoreboard import Scoreboard
from services_demo.traffic.shapes import Format, Kind, ModelFile, Size, model_file

if TYPE_CHECKING:
    from random import Random

# The longest stay of a customer (prepare, wait for the price, look round) says how many are needed.
PREPARE_SECONDS = 10.0
WAIT_FOR_PRICE_SECONDS = 25.0
_STAY_SECONDS = PREPARE_SECONDS + WAIT_FOR_PRICE_SECONDS + 5.0
# What one operator needs for one order with its pauses, twice: bursts must leave no growing queue.
_OPERATOR_SECONDS_PER_ORDER = 2 * 6.0

_SIZES: dict[Size, int] = {"small": 80, "medium": 17, "large": 3}
_KINDS: tuple[Kind, ...] = ("ring", "pendant", "bead")
_FORMATS: dict[Format, int] = {"stl": 70, "obj": 20, "ascii": 10}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: where the services are, the rate, and the seed that all choices follow from."""

    shop: str = "http://127.0.0.1:8001"
    mes: str = "http://127.0.0.1:8002"
    crm: str = "http://127.0.0.1:8003"
    orders_per_minute: float = 30.0
    seed: int = 1
    clock: OrderClock = field(init=False, compare=False)
    score: Scoreboard = field(init=False, compare=False, default_factory=Scoreboard)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clock", OrderClock(self.orders_per_minute))

    @property
    def customers(self) -> int:
        """Enough that one is free when an order is due, even if every price takes its longest."""
        return math.ceil(self.orders_per_minute / 60 * _STAY_SECONDS) + 2

    @property
    def operators(self) -> int:
        """Enough operators to finish what the customers approve."""
        return math.ceil(self.orders_per_minute / 60 * _OPERATOR_SECONDS_PER_ORDER) + 1

    @property
    def sales_people(self) -> int:
        """Sales look at orders rather than make them: few are enough."""
        return 1 + math.ceil(self.orders_per_minute / 120)

    def __str__(self) -> str:
        return (
            f"{self.orders_per_minute:g} orders a minute from {self.customers} customers,"
            f" {self.operators} operators, {self.sales_people} in sales, seed {self.seed}"
        )

    def choose_model(self, random: Random) -> ModelFile:
        """Return a file to upload: mostly small, in any of the formats that the shop takes."""
        size = random.choices(list(_SIZES), list(_SIZES.values()))[0]
        file_format = random.choices(list(_FORMATS), list(_FORMATS.values()))[0]
        if size == "large":
            # As text a large model would be 35 MB; 10 MB is what is wanted.
            file_format = "stl"
        variants = 2 if size == "large" else 8
        return _model_file(
            random.choice(_KINDS), size, self.seed * 100 + random.randrange(variants), file_format
        )


@lru_cache(maxsize=48)
def _model_file(kind: Kind, size: Size, seed: int, file_format: Format) -> ModelFile:
    """Make each model only once: it takes up to 0.2 s, in which all users of the process stand."""
    return model_file(kind, size, seed, file_format)
