# SPDX-License-Identifier: Apache-2.0
"""3D models: what is in a file, and what the editor can do with it. Pure: no disk, no network."""

from __future__ import annotations

import io
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
import trimesh
from pydantic import BaseModel, ConfigDict, Field

from services_demo.shop.facts import Facts, Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_MM = 10_000.0


class NotAModel(ValueError):
    """The file holds nothing that can be printed; the text says why and what to do."""


def format_of(filename: str) -> Format:
    """
    Return the format that the name's ending stands for.

    Raises:
        NotAModel: another ending.
    """
    ending = PurePath(filename).suffix.lower()
    if ending == ".stl":
        return "stl"
    if ending == ".obj":
        return "obj"
    raise NotAModel(
        f"filename={filename[:80]!r}: expected a name ending in .stl or .obj. "
        "Export the model in one of these formats."
    )


def read(content: bytes, kind: Format) -> trimesh.Trimesh:
    """
    Return the mesh in *content*, an STL (binary or text) or OBJ.

    Raises:
        NotAModel: no mesh in it, or one that no printer could print.
    """
    try:
        # Not the file itself: trimesh would open others beside it that an OBJ names.
        mesh = trimesh.load_mesh(io.BytesIO(content), file_type=kind)
        triangles = len(mesh.faces)
    except Exception as error:  # noqa: BLE001 - the parsers raise whatever a bad file makes them
        raise NotAModel(
            f"body: it cannot be read as {kind.upper()} ({type(error).__name__}). "
            "Export the model again and send the file as it is."
        ) from None
    if triangles == 0:
        raise NotAModel(
            f"body: there is no triangle in it, so it is not {kind.upper()}. "
            "Send the file itself as the body, and name its format in filename."
        )
    check(mesh)
    return mesh


def check(mesh: trimesh.Trimesh) -> None:
    """
    Make sure that *mesh* is a body of this world.

    Raises:
        NotAModel: coordinates that are no numbers, or larger than any printer.
    """
    if not np.isfinite(mesh.vertices).all():
        raise NotAModel("body: some coordinates are not numbers. Export the model again.")
    size = float(np.ptp(mesh.vertices, axis=0).max())
    if not 0 < size <= _LARGEST_MM or float(np.abs(mesh.vertices).max()) > 100 * _LARGEST_MM:
        raise NotAModel(
            f"body: the model is {size:.6g} mm long: expected more than 0, up to "
            f"{_LARGEST_MM:.0f} mm, near the origin. Check the unit: it must be millimetres."
        )


def write(mesh: trimesh.Trimesh, kind: Format) -> bytes:
    """Return the file of *mesh*; STL in its binary form."""
    content = mesh.export(file_type=kind)
    return content if isinstance(content, bytes) else str(content).encode()


def facts(mesh: trimesh.Trimesh) -> Facts:
    """Measure *mesh*. The volume of a mesh that is not closed is an estimate."""
    return Facts(
        triangles=len(mesh.faces),
        volume_mm3=abs(float(mesh.volume)),
        watertight=bool(mesh.is_watertight),
    )


class _Operation(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Scale(_Operation):
    """Make everything larger or smaller."""

    operation: Literal["scale"]
    factor: Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)]

    def apply(self, mesh: trimesh.Trimesh) -> None:
        """Change *mesh* in place."""
        mesh.vertices = mesh.vertices * self.factor


class Rotate(_Operation):
    """Turn around an axis."""

    operation: Literal["rotate"]
    axis: Literal["x", "y", "z"]
    degrees: Annotated[float, Field(ge=-360, le=360, allow_inf_nan=False)]

    def apply(self, mesh: trimesh.Trimesh) -> None:
        """Change *mesh* in place."""
        one, other = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[self.axis]
        angle = np.radians(self.degrees)
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        mesh.vertices = mesh.vertices @ turn.T


class Thicken(_Operation):
    """Move the surface outwards."""

    operation: Literal["thicken"]
    millimetres: Annotated[float, Field(ge=0.05, le=5, allow_inf_nan=False)]

    def apply(self, mesh: trimesh.Trimesh) -> None:
        """Change *mesh* in place."""
        mesh.vertices = mesh.vertices + self.millimetres * _outwards(mesh)


class Smooth(_Operation):
    """Round off edges. Taubin's filter: every second step grows, so the volume stays."""

    operation: Literal["smooth"]
    iterations: Annotated[int, Field(ge=1, le=50)]

    def apply(self, mesh: trimesh.Trimesh) -> None:
        """Change *mesh* in place."""
        for _ in range(self.iterations):
            for step in (0.5, -0.53):
                mesh.vertices = mesh.vertices + step * _towards_neighbours(mesh)


Edit: TypeAlias = Annotated[Scale | Rotate | Thicken | Smooth, Field(discriminator="operation")]


def edited(content: bytes, kind: Format, edit: Edit) -> tuple[bytes, Facts]:
    """
    Return the file and facts of a model after *edit*.

    Raises:
        NotAModel: what comes out could not be printed.
    """
    mesh = read(content, kind)
    edit.apply(mesh)
    check(mesh)
    return write(mesh, kind), facts(mesh)


# trimesh does these two with scipy, which is 100 MB for two sums.


def _outwards(mesh: trimesh.Trimesh) -> NDArray[np.float64]:
    """Return the direction away from the body at every corner, one unit long."""
    corners = mesh.vertices[mesh.faces]
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(mesh.vertices)
    for column in range(3):
        np.add.at(total, mesh.faces[:, column], weighted)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    outwards: NDArray[np.float64] = total / np.where(length > 0, length, 1)
    return outwards


def _towards_neighbours(mesh: trimesh.Trimesh) -> NDArray[np.float64]:
    """Return how far the mean of the neighbours is from every corner."""
    one, other = mesh.edges_unique.T
    count = len(mesh.vertices)
    neighbours = np.bincount(one, minlength=count) + np.bincount(other, minlength=count)
    total = np.stack(
        [
            np.bincount(one, mesh.vertices[other, axis], count)
            + np.bincount(other, mesh.vertices[one, axis], count)
            for axis in range(3)
        ],
        axis=1,
    )
    alone = neighbours == 0
    mean = total / np.maximum(neighbours, 1)[:, None]
    mean[alone] = mesh.vertices[alone]
    step: NDArray[np.float64] = mean - mesh.vertices
    return step
