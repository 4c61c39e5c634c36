# SPDX-License-Identifier: Apache-2.0
"""What an order costs."""

import dataclasses
import math

import pytest
import trimesh

from services_demo.mes import models, pricing
from services_demo.mes.pricing import CannotPrice, Shape
from services_demo.messages import Material

CUBE = Shape(volume_mm3=1000, surface_mm2=600, triangles=12, watertight=True)


def test_the_price_of_a_known_cube() -> None:
    """1 cm³ of silver: 15.00 setup, 10.36 g at 1.10, and 9.00 labour times 1.2407."""
    assert pricing.price(CUBE, Material.SILVER, 1) == 3756


def test_the_setup_is_paid_once() -> None:
    """Ten pieces cost ten times one without the setup, to the rounding."""
    one, ten = (pricing.price(CUBE, Material.GOLD, pieces) for pieces in (1, 10))
    assert abs((ten - 1500) - 10 * (one - 1500)) <= 10


def test_materials_cost_what_they_are_worth() -> None:
    """Gold above platinum above silver above resin."""
    order = [Material.GOLD, Material.PLATINUM, Material.SILVER, Material.RESIN]
    prices = [pricing.price(CUBE, material, 1) for material in order]
    assert prices == sorted(prices, reverse=True)


def test_every_material_has_a_price() -> None:
    """A new material in the contract needs a row in the table."""
    assert set(pricing.METALS) == set(Material)


def test_a_smooth_ball_is_the_simplest_shape() -> None:
    """Its complexity is 1, and a cube's is more."""
    ball = Shape(
        volume_mm3=4 / 3 * math.pi * 1000,
        surface_mm2=4 * math.pi * 100,
        triangles=500,
        watertight=True,
    )
    assert pricing.complexity(ball) == pytest.approx(1)
    assert pricing.complexity(CUBE) == pytest.approx(1.2407, abs=1e-4)


def test_detail_costs() -> None:
    """The same body of a hundred times the triangles of 1,000 has complexity 1 more."""
    detailed = dataclasses.replace(CUBE, triangles=100_000)
    assert pricing.complexity(detailed) == pytest.approx(pricing.complexity(CUBE) + 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"watertight": False}, "The model is not closed"),
        ({"volume_mm3": 0.0}, "expected at least 0.1"),
        ({"volume_mm3": math.nan}, "expected at least 0.1"),
        ({"volume_mm3": math.inf}, "expected at least 0.1"),
        ({"volume_mm3": 1e12}, "Ask sales for an offer"),
    ],
)
def test_what_cannot_be_priced_has_a_reason_for_the_customer(
    change: dict[str, float], reason: str
) -> None:
    """No price is better than a wrong one."""
    with pytest.raises(CannotPrice, match=reason):
        pricing.price(dataclasses.replace(CUBE, **change), Material.GOLD, 1)


@pytest.mark.parametrize("kind", ["stl", "obj"])
def test_a_file_is_measured(kind: str) -> None:
    """A box of 1 by 2 by 3 mm."""
    content = trimesh.creation.box((1, 2, 3)).export(file_type=kind)
    content = content if isinstance(content, bytes) else content.encode()
    shape = models.measure(content, kind)
    assert shape.volume_mm3 == pytest.approx(6)
    assert shape.surface_mm2 == pytest.approx(22)
    assert (shape.triangles, shape.watertight) == (12, True)


@pytest.mark.parametrize("content", [b"", b"text", b"v 1 2\nf 1 2 3\n"])
def test_a_file_without_a_model_cannot_be_priced(content: bytes) -> None:
    """It ends as a failed order, not as a crash."""
    with pytest.raises(CannotPrice):
        pricing.price(models.measure(content, "obj"), Material.GOLD, 1)
