# SPDX-License-Identifier: Apache-2.0
"""
Jewellery-like 3D models, made up on the spot.

The services read, edit and price real meshes, so traffic must upload real ones: closed, facing
outwards, of a wanted size, different from order to order. Every shape is a tube closed round the
z axis (a torus), whose section and path vary. All lengths are millimetres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Size = Literal["small", "medium", "large"]
Kind = Literal["ring", "pendant", "bead"]
Format = Literal["stl", "ascii", "obj"]

TRIANGLES: dict[Size, int] = {"small": 1_000, "medium": 20_000, "large": 200_000}

# Below about 8 segments around the section or the path nothing looks round any more.
_FEWEST_TRIANGLES = 2 * 8 * 8
# One STL triangle: its normal, three corners, two unused bytes, packed.
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("unused", "<u2")])


@dataclass(frozen=True, slots=True)
class Mesh:
    """
    A closed mesh: points in mm and triangles.

    A triangle is three indices into the points, anticlockwise as seen from outside.
    """

    points: Floats
    triangles: Ints

    @property
    def volume_mm3(self) -> float:
        """The enclosed volume, summed from the tetrahedra of each triangle and the origin."""
        a, b, c = (self.points[self.triangles[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file as a customer would upload it, and what is known about it."""

    filename: str
    content: bytes
    triangles: int
    volume_mm3: float


def torus_volume(ring_radius: float, tube_radius: float) -> float:
    """The volume in mm³ of a smooth torus; `torus` of the same radii encloses it within 2 %."""
    return 2.0 * math.pi**2 * ring_radius * tube_radius**2


def torus(ring_radius: float, tube_radius: float, triangles: int = TRIANGLES["small"]) -> Mesh:
    """Return a plain torus of about that many triangles, for when the volume must be known."""
    return _sweep(
        triangles,
        lambda along, _around: _Tube(
            np.full_like(along, ring_radius), np.full_like(along, tube_radius)
        ),
    )


def jewel(kind: Kind, triangles: int, seed: int) -> Mesh:
    """Return a jewel of about that many triangles; the same seed gives the same mesh."""
    random = np.random.default_rng(seed)
    return _sweep(triangles, lambda along, around: _KINDS[kind](random, along, around))


def model_file(kind: Kind, size: Size, seed: int, file_format: Format = "stl") -> ModelFile:
    """Return a jewel as an upload: binary STL, ASCII STL ("ascii") or OBJ ("obj")."""
    mesh = jewel(kind, TRIANGLES[size], seed)
    write = {"stl": binary_stl, "ascii": ascii_stl, "obj": obj}[file_format]
    return ModelFile(
        filename=f"{kind}-{size}-{seed}.{'obj' if file_format == 'obj' else 'stl'}",
        content=write(mesh),
        triangles=len(mesh.triangles),
        volume_mm3=mesh.volume_mm3,
    )


def binary_stl(mesh: Mesh) -> bytes:
    """Return the mesh as binary STL: 84 bytes and 50 more for each triangle."""
    records = np.zeros(len(mesh.triangles), dtype=_STL_TRIANGLE)
    corners = mesh.points[mesh.triangles]
    records["corners"] = corners
    records["normal"] = _normals(corners)
    # The text must not begin with "solid": readers take that for ASCII STL.
    header = b"binary STL, jewellery demo".ljust(80)
    return header + len(records).to_bytes(4, "little") + records.tobytes()


def ascii_stl(mesh: Mesh) -> bytes:
    """Return the mesh as ASCII STL, about five times as long as binary."""
    corners = mesh.points[mesh.triangles]
    numbers = np.concatenate([_normals(corners)[:, None, :], corners], axis=1)
    facet = (
        "facet normal %.5f %.5f %.5f\n outer loop\n"
        + "  vertex %.5f %.5f %.5f\n" * 3
        + " endloop\nendfacet\n"
    )
    facets = facet * len(corners) % tuple(numbers.ravel().tolist())
    return f"solid jewel\n{facets}endsolid jewel\n".encode()


def obj(mesh: Mesh) -> bytes:
    """Return the mesh as Wavefront OBJ, which shares the points between the triangles."""
    points = "v %.5f %.5f %.5f\n" * len(mesh.points) % tuple(mesh.points.ravel().tolist())
    faces = "f %d %d %d\n" * len(mesh.triangles) % tuple((mesh.triangles + 1).ravel().tolist())
    return f"# jewellery demo\no jewel\n{points}{faces}".encode()


def _normals(corners: Floats) -> Floats:
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(across, axis=1, keepdims=True)
    normals: Floats = np.divide(across, length, out=np.zeros_like(across), where=length > 0)
    return normals


@dataclass(frozen=True, slots=True)
class _Tube:
    """A tube round the z axis: its distance from the axis and its thickness at each grid point."""

    radius: Floats
    thickness: Floats
    # Stretches the tube along z.
    height: float = 1.0


def _ring(random: np.random.Generator, along: Floats, around: Floats) -> _Tube:
    """A finger ring, sometimes with bumps that wind round it like a rope."""
    bumps, twist = int(random.integers(0, 5)), int(random.integers(0, 7))
    height = random.uniform(0.03, 0.15) if bumps else 0.0
    thickness = random.uniform(0.9, 1.8) * (1 + height * np.cos(bumps * around + twist * along))
    return _Tube(np.full_like(along, random.uniform(7.5, 11.0)), thickness)


def _pendant(random: np.random.Generator, along: Floats, _around: Floats) -> _Tube:
    """A drop to hang on a chain: an open hoop that gets thicker towards its lowest point."""
    radius = random.uniform(8.0, 14.0) * (1 - random.uniform(0.05, 0.2) * np.cos(along))
    thickness = random.uniform(0.8, 1.2) * (
        1 + random.uniform(0.8, 2.0) * (0.5 + 0.5 * np.cos(along)) ** 2
    )
    return _Tube(radius, thickness, height=0.7)


def _bead(random: np.random.Generator, along: Floats, _around: Floats) -> _Tube:
    """A bead: thick, grooved, with a narrow hole for the thread."""
    widest, grooves = random.uniform(2.0, 4.0), int(random.integers(0, 12))
    thickness = widest * (0.94 - 0.06 * np.cos(grooves * along))
    return _Tube(np.full_like(along, widest + random.uniform(0.8, 1.5)), thickness, height=1.2)


_KINDS: dict[Kind, Callable[[np.random.Generator, Floats, Floats], _Tube]] = {
    "ring": _ring,
    "pendant": _pendant,
    "bead": _bead,
}


def _sweep(triangles: int, tube: Callable[[Floats, Floats], _Tube]) -> Mesh:
    """Lay a closed grid of quads over the tube and cut each into two triangles."""
    if triangles < _FEWEST_TRIANGLES:
        raise ValueError(
            f"triangles={triangles!r}: expected {_FEWEST_TRIANGLES} or more."
            f" Ask for {TRIANGLES['small']} to get a small model."
        )
    rings = round(math.sqrt(triangles))
    sides = round(triangles / 2 / rings)
    along, around = np.meshgrid(_angles(rings), _angles(sides), indexing="ij")
    shape = tube(along, around)
    # Flat facets between points on the tube enclose less than the tube: 3 % less with 1000
    # triangles. The points are moved outwards so that the volumes agree.
    thickness = shape.thickness * _outwards(sides)
    from_axis = (shape.radius + thickness * np.cos(around)) * _outwards(rings)
    points = np.stack(
        [
            from_axis * np.cos(along),
            from_axis * np.sin(along),
            shape.height * thickness * np.sin(around),
        ],
        axis=-1,
    )
    return Mesh(points.reshape(-1, 3), _closed_grid(rings, sides))


def _angles(count: int) -> Floats:
    return np.linspace(0.0, 2 * math.pi, count, endpoint=False)


def _outwards(corners: int) -> float:
    angle = 2 * math.pi / corners
    return math.sqrt(angle / math.sin(angle))


def _closed_grid(rings: int, sides: int) -> Ints:
    """Join the last row and column of a grid to the first: so every edge has two triangles."""
    index = np.arange(rings * sides).reshape(rings, sides)
    next_ring, next_side = np.roll(index, -1, axis=0), np.roll(index, -1, axis=1)
    opposite = np.roll(next_ring, -1, axis=1)
    halves = np.stack([index, next_ring, opposite, index, opposite, next_side], axis=-1)
    return halves.reshape(-1, 3)
