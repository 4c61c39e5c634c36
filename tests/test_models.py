# SPDX-License-Identifier: Apache-2.0
"""3D models: reading, editing, refusing."""

from typing import Any

import numpy as np
import pytest
import trimesh
from pydantic import TypeAdapter, ValidationError

from services_demo.shop import models
from services_demo.shop.facts import Facts, Format
from services_demo.shop.models import NotAModel

TORUS = trimesh.creation.torus(10, 2)
STL = models.write(TORUS, "stl")

EDIT: TypeAdapter[Any] = TypeAdapter(models.Edit)


def edit(**parameters: Any) -> Facts:
    """Edit the torus and return the facts of what comes out."""
    return models.edited(STL, "stl", EDIT.validate_python(parameters))[1]


@pytest.mark.parametrize("kind", ["stl", "stl_ascii", "obj"])
def test_a_model_survives_writing_and_reading(kind: str) -> None:
    """Triangles, volume and being closed stay what they were."""
    content = TORUS.export(file_type=kind)
    content = content if isinstance(content, bytes) else content.encode()
    found = models.facts(models.read(content, "obj" if kind == "obj" else "stl"))
    assert (found.triangles, found.watertight) == (2048, True)
    assert found.volume_mm3 == pytest.approx(TORUS.volume, rel=1e-5)


def test_scaling_by_two_makes_eight_times_the_volume() -> None:
    """All three directions grow."""
    assert edit(operation="scale", factor=2).volume_mm3 == pytest.approx(8 * TORUS.volume, rel=1e-4)


def test_turning_moves_the_corners_and_keeps_the_volume() -> None:
    """A quarter turn around x takes y to z."""
    box = trimesh.creation.box((1, 2, 3))
    content, facts = models.edited(
        models.write(box, "stl"),
        "stl",
        EDIT.validate_python({"operation": "rotate", "axis": "x", "degrees": 90}),
    )
    extents = np.ptp(models.read(content, "stl").vertices, axis=0)
    assert extents == pytest.approx([1, 3, 2], abs=1e-5)
    assert facts.volume_mm3 == pytest.approx(6)


def test_thickening_moves_the_surface_outwards() -> None:
    """A ring of tube radius 2 mm thickened by 0.5 mm has that of 2.5 mm."""
    expected = trimesh.creation.torus(10, 2.5).volume
    assert edit(operation="thicken", millimetres=0.5).volume_mm3 == pytest.approx(expected, 1e-2)


def test_smoothing_takes_the_roughness_and_keeps_the_volume() -> None:
    """The surface of a rough ring shrinks, its volume hardly."""
    rough = TORUS.copy()
    noise = np.random.default_rng(7).normal(0, 0.1, rough.vertices.shape)
    rough.vertices = rough.vertices + noise
    content, facts = models.edited(
        models.write(rough, "stl"),
        "stl",
        EDIT.validate_python({"operation": "smooth", "iterations": 10}),
    )
    assert models.read(content, "stl").area < 0.97 * rough.area
    assert facts.volume_mm3 == pytest.approx(TORUS.volume, rel=0.05)
    assert facts.watertight


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"operation": "melt"},
        {"operation": "scale"},
        {"operation": "scale", "factor": 0},
        {"operation": "scale", "factor": float("nan")},
        {"operation": "scale", "factor": 1, "axis": "x"},
        {"operation": "rotate", "axis": "w", "degrees": 1},
        {"operation": "rotate", "axis": "x", "degrees": 361},
        {"operation": "thicken", "millimetres": 6},
        {"operation": "smooth", "iterations": 51},
    ],
)
def test_an_edit_out_of_bounds_is_refused(parameters: dict[str, Any]) -> None:
    """Before any work is done."""
    with pytest.raises(ValidationError):
        EDIT.validate_python(parameters)


NAN_STL = b"""solid
facet normal 0 0 0
outer loop
vertex 1e999 0 0
vertex 1 0 0
vertex 0 1 0
endloop
endfacet
endsolid"""


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"", "stl", "there is no triangle"),
        (b"hello", "stl", "there is no triangle"),
        (b"x" * 300, "stl", "there is no triangle"),
        (STL[:5000], "stl", "there is no triangle"),
        (STL, "obj", "there is no triangle"),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99\n", "obj", "cannot be read as OBJ"),
        (b"v 1 2\nf 1 2 3\n", "obj", "cannot be read as OBJ"),
        (b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "obj", "0 mm long"),
        (b"v 0 0 0\nv 1e6 0 0\nv 0 1e6 0\nf 1 2 3\n", "obj", "1e[+]06 mm long"),
        (b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "obj", "."),
        (NAN_STL, "stl", "."),
        (b"mtllib /etc/passwd\nusemtl x\n", "obj", "there is no triangle"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(
    content: bytes, kind: Format, reason: str
) -> None:
    """Whatever the parser makes of it, the customer gets one sentence and what to do."""
    with pytest.raises(NotAModel, match=reason):
        models.read(content, kind)


def test_an_edit_that_leaves_the_world_is_refused() -> None:
    """A ring of 24 mm scaled by a hundred fits; done twice it does not."""
    scale = EDIT.validate_python({"operation": "scale", "factor": 100})
    content, _ = models.edited(STL, "stl", scale)
    with pytest.raises(NotAModel, match="240000 mm long"):
        models.edited(content, "stl", scale)


@pytest.mark.parametrize(
    ("name", "kind"), [("ring.stl", "stl"), ("RING.STL", "stl"), ("a.b.obj", "obj")]
)
def test_the_ending_names_the_format(name: str, kind: str) -> None:
    """In any case of letters."""
    assert models.format_of(name) == kind


@pytest.mark.parametrize("name", ["ring", "ring.step", ".stl", "stl", "ring.stl.exe"])
def test_another_ending_is_refused_by_name(name: str) -> None:
    """The answer shows what was typed and what is expected."""
    with pytest.raises(NotAModel, match=f"filename='{name}': expected a name ending in .stl or"):
        models.format_of(name)
