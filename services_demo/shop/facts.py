# SPDX-License-Identifier: Apache-2.0
"""What is known of a 3D model; apart from what reads one, whose libraries take 27 MB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["stl", "obj"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the Shop tells the customer about a model."""

    triangles: int
    volume_mm3: float
    watertight: bool
