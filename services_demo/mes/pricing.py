# SPDX-License-Identifier: Apache-2.0
"""
What an order costs, from the volume of its model, the material and how intricate it is.

`calculate` runs in processes of its own: a mesh can take minutes of CPU, and one that
crashes or fills the memory must not take the worker with it.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_setup import resume_context
from services_demo.messages import Material

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType


@dataclass(frozen=True, slots=True)
class Metal:
    """What a material weighs and costs. A resin is one, for the accountant."""

    grams_per_cm3: float
    cents_per_gram: float


METALS = {
    Material.SILVER: Metal(10.36, 110),
    Material.GOLD: Metal(15.5, 7_400),
    Material.PLATINUM: Metal(20.1, 3_600),
    Material.RESIN: Metal(1.12, 15),
}

_SETUP_CENTS = 1_500  # once for an order: checking the model, preparing the machine
_LABOUR_CENTS = 900  # for a piece of ordinary complexity
_MOST_CENTS = 100_000_000
_SMALLEST_MM3 = 0.1


class CannotPrice(Exception):
    """This model has no price; the reason is for the customer."""


class ModelUnavailable(Exception):
    """The storage does not answer; worth trying again."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the price depends on."""

    volume_mm3: float
    surface_mm2: float
    triangles: int
    watertight: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One price calculation, as it is handed to a process."""

    endpoint_url: str
    bucket: str
    model_key: str
    model_format: str
    material: Material
    quantity: int
    trace: Mapping[str, str]


def calculate(job: Job) -> int:
    """
    Fetch the model and return the price of the whole order in cents.

    Raises:
        CannotPrice: the model has no price.
        ModelUnavailable: try again later.
    """
    models = _models()
    with resume_context(job.trace):
        content = models.fetch(job.endpoint_url, job.bucket, job.model_key)
    return price(models.measure(content, job.model_format), job.material, job.quantity)


def price(shape: Shape, material: Material, quantity: int) -> int:
    """
    Return the price in cents of *quantity* pieces.

    Raises:
        CannotPrice: the model is open, empty or beyond all measure.
    """
    if not shape.watertight:
        raise CannotPrice(
            "The model is not closed, so it has no volume. Repair it and order again."
        )
    if not math.isfinite(shape.volume_mm3) or shape.volume_mm3 < _SMALLEST_MM3:
        raise CannotPrice(f"The model has {shape.volume_mm3:.3g} mm³: expected at least 0.1.")
    metal = METALS[material]
    grams = shape.volume_mm3 / 1000 * metal.grams_per_cm3
    piece = grams * metal.cents_per_gram + _LABOUR_CENTS * complexity(shape)
    total = round(_SETUP_CENTS + piece * quantity)
    if total > _MOST_CENTS:
        raise CannotPrice("The price is above 1,000,000 EUR. Ask sales for an offer.")
    return total


def complexity(shape: Shape) -> float:
    """
    Return how much work a piece is; 1 for a smooth ball.

    Fine detail needs triangles, and filigree has much surface for its volume.
    """
    ball_mm2 = math.pi ** (1 / 3) * (6 * shape.volume_mm3) ** (2 / 3)
    filigree = shape.surface_mm2 / ball_mm2
    detail = math.log10(max(shape.triangles, 1_000) / 1_000)
    return float(min(filigree + detail / 2, 20.0))


def die_with_parent() -> None:
    """End this process when the worker is killed; nobody else would ever end it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def warm_up() -> None:
    """Import what a calculation needs, so that the first customer does not wait for it."""
    _models()


def _models() -> ModuleType:
    # The worker itself never opens a mesh: it would carry 50 MiB for nothing.
    from services_demo.mes import models  # noqa: PLC0415

    return models
