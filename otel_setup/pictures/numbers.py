# SPDX-License-Identifier: Apache-2.0
"""Numbers with their units, as short as Grafana writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

_SECONDS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_SHORT = ((1e9, " B"), (1e6, " M"), (1e3, " K"))
_MINUTE = 60
_TICKS = 5
_DECIMAL = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_BINARY = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
#: Formats of Grafana whose numbers are shortened and followed by a word.
_WORDS = {"reqps": "req/s", "mps": "msg/s", "eps": "events/s", "rowsps": "rows/s"}


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """Return *value* in Grafana's format *unit*; *decimals* fixes how many there are."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if unit.startswith("suffix:"):
        return f"{_digits(value, decimals)} {unit.removeprefix('suffix:')}"
    if unit in _WORDS:
        return f"{_shortened(value, decimals)} {_WORDS[unit]}"
    return _FORMATS.get(unit, _shortened)(value, decimals)


def ticks(bottom: float, top: float, unit: str, *, whole: bool = False) -> list[float]:
    """Return at most five round values from *bottom* to *top*, round in *unit*."""
    size = max(top - bottom, 1e-12)
    step = next(each for each in _steps(unit, size) if size / each <= _TICKS)
    if whole:
        step = max(1.0, math.ceil(step))
    first = math.ceil(bottom / step - 1e-9)
    return [number * step for number in range(first, math.floor(top / step + 1e-9) + 1)]


def _steps(unit: str, size: float) -> Iterator[float]:
    if unit == "s" and size > _MINUTE:
        yield from (15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0, 86400.0)
    base, rounds = (1024.0, _BINARY) if unit in {"bytes", "binBps"} else (1000.0, _DECIMAL)
    power = base ** (math.floor(math.log(size, base)) - 1)
    while True:
        yield from (power * each for each in rounds)
        power *= base


def _digits(value: float, decimals: int | None) -> str:
    """Return three significant digits, without zeros that say nothing."""
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or size == 0 else (1 if size >= 10 else 2)  # noqa: PLR2004
        if 0 < size < 0.1:  # noqa: PLR2004
            decimals = min(6, 1 - math.floor(math.log10(size)))
        text = f"{value:,.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:,.{decimals}f}"


def _shortened(value: float, decimals: int | None) -> str:
    for size, letter in _SHORT:
        if abs(value) >= size:
            return f"{_digits(value / size, decimals)}{letter}"
    return _digits(value, decimals)


def _seconds(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0 s"
    for size, name in _SECONDS:
        if abs(value) >= size:
            return f"{_digits(value / size, decimals)} {name}"
    return f"{_digits(value * 1e6, decimals)} µs"


def _bytes(value: float, decimals: int | None) -> str:
    power = 0
    while abs(value) >= 1024 and power < len(_BYTES) - 1:  # noqa: PLR2004
        value, power = value / 1024, power + 1
    return f"{_digits(value, decimals)} {_BYTES[power]}"


def _share(value: float, decimals: int | None) -> str:
    return f"{_digits(value * 100, decimals)}%"


_FORMATS: Mapping[str, Callable[[float, int | None], str]] = {
    "s": _seconds,
    "bytes": _bytes,
    "binBps": lambda value, decimals: f"{_bytes(value, decimals)}/s",
    "percentunit": _share,
    "percent": lambda value, decimals: f"{_digits(value, decimals)}%",
    "locale": _digits,
}
