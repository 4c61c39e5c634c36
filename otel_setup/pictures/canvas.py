# SPDX-License-Identifier: Apache-2.0
"""A sheet of pixels to draw on, counted from the upper left corner, on top of matplotlib."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Grafana's dark theme.
PAGE, PANEL, BORDER, GRID = "#111217", "#181B1F", "#2A2D33", "#2A2D33"
TEXT, FAINT = "#D5D7DE", "#9A9DA8"

#: A picture of few colours is a quarter of the size, and looks the same; the first that fits.
_COLOURS, _BYTES = (128, 64, 40), 190_000
_DOTS = 100
_POINTS_OF_A_PIXEL = 72 / _DOTS

Align = Literal["left", "center", "right"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the canvas, in pixels."""

    x: float
    y: float
    w: float
    h: float

    def inside(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """Return what remains without margins."""
        return Box(self.x + left, self.y + top, self.w - left - right, self.h - top - bottom)


class Canvas:
    """An empty sheet of *width* by *height* pixels; needs matplotlib."""

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415

        self._width, self._height = width, height
        self._kept: dict[str, None] = {}
        self._figure = Figure(figsize=(width / _DOTS, height / _DOTS), dpi=_DOTS, facecolor=PAGE)
        self._agg: Any = FigureCanvasAgg(self._figure)

    def box(self, box: Box, fill: str = PANEL, edge: str = BORDER) -> None:
        """Draw a filled rectangle; its colour is kept exactly."""
        self._kept[fill] = None
        from matplotlib.patches import Rectangle  # noqa: PLC0415

        left, bottom, width, height = self._fractions(box)
        self._figure.add_artist(
            Rectangle((left, bottom), width, height, facecolor=fill, edgecolor=edge, linewidth=0.8)
        )

    def axes(self, box: Box) -> Axes:
        """Return matplotlib's axes in the place of *box*."""
        axes = self._figure.add_axes(self._fractions(box))
        axes.set_zorder(2)  # above the panel, below texts
        return axes

    def write(  # noqa: PLR0913 - a text has a place, a look and a limit
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: float = 12,
        colour: str = TEXT,
        align: Align = "left",
        bold: bool = False,
        most: float = 0,
    ) -> None:
        """Write one line, *y* being its middle; what is wider than *most* pixels is cut."""
        self._figure.text(
            x / self._width,
            1 - y / self._height,
            self.cut(text, most, size) if most else text,
            fontsize=size * _POINTS_OF_A_PIXEL,
            color=colour,
            ha=align,
            va="center_baseline",
            fontweight="bold" if bold else "normal",
            parse_math=False,
        )

    def width_of(self, text: str, size: float = 12) -> float:
        """Return how many pixels wide *text* is."""
        from matplotlib.font_manager import FontProperties  # noqa: PLC0415

        font = FontProperties(size=size * _POINTS_OF_A_PIXEL)
        width, _, _ = self._agg.get_renderer().get_text_width_height_descent(text, font, False)
        return float(width)

    def cut(self, text: str, most: float, size: float = 12) -> str:
        """Return *text*, shortened until it is at most that many pixels wide."""
        if self.width_of(text, size) <= most:
            return text
        while text and self.width_of(f"{text}…", size) > most:
            text = text[:-1]
        return f"{text.rstrip()}…"

    def png(self) -> bytes:
        """Return the sheet as a small PNG."""
        from PIL import Image, ImageColor  # noqa: PLC0415 - comes with matplotlib

        self._agg.draw()
        size = (self._width, self._height)
        drawn = Image.frombuffer("RGBA", size, self._agg.buffer_rgba()).convert("RGB")
        # Colours that mean something or cover most stay as they are; edges of letters may shift.
        counted: list[Any] = drawn.getcolors(self._width * self._height) or []
        often = [colour for _, colour in sorted(counted, key=lambda each: -each[0])]
        often = list(dict.fromkeys([*map(ImageColor.getrgb, self._kept), *often]))
        for most in _COLOURS:
            palette = Image.new("P", (1, 1))
            palette.putpalette([part for colour in often[:most] for part in colour])
            file = io.BytesIO()
            few = drawn.quantize(palette=palette, dither=Image.Dither.NONE)
            few.save(file, "PNG", optimize=True)
            if file.tell() <= _BYTES:
                break
        return file.getvalue()

    def _fractions(self, box: Box) -> tuple[float, float, float, float]:
        return (
            box.x / self._width,
            1 - (box.y + box.h) / self._height,
            box.w / self._width,
            box.h / self._height,
        )
