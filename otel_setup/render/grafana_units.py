# SPDX-License-Identifier: Apache-2.0
"""How Grafana shows the units of the catalogue: UCUM → the name of its format."""

from __future__ import annotations

import re

from otel_setup.render.page import RenderError

_FORMATS = {
    "s": "s",
    "By": "bytes",
    "By/s": "binBps",
    "1": "percentunit",
    "%": "percent",
    # Only these rates have a format of their own; it shortens large numbers.
    "{request}/s": "reqps",
    "{message}/s": "mps",
    "{event}/s": "eps",
    "{row}/s": "rowsps",
}
_COUNT = re.compile(r"\{([a-z][a-z _-]*)\}")
_RATE = re.compile(r"\{([a-z][a-z _-]*)\}/s")


def grafana_unit(unit: str) -> str:
    """
    Return the name of the format in which Grafana shows values in *unit*.

    Raises:
        RenderError: nobody has said yet how the unit is shown.
    """
    if unit in _FORMATS:
        return _FORMATS[unit]
    if rate := _RATE.fullmatch(unit):
        return f"suffix:{plural(rate[1])}/s"
    if _COUNT.fullmatch(unit):
        # Thousands are grouped, not shortened: 1,500 orders are not 2 K.
        return "locale"
    raise RenderError(
        f"unit {unit!r} has no format in Grafana. Use one of {', '.join(_FORMATS)}, a count such "
        "as {order} or a rate such as {order}/s, or add it to otel_setup/render/grafana_units.py."
    )


def quantity(unit: str) -> str:
    """Return what a count counts, in the plural, such as orders; nothing for other units."""
    count = _COUNT.fullmatch(unit)
    return plural(count[1]) if count else ""


def plural(noun: str) -> str:
    """Return the plural of an English *noun*; underscores become blanks."""
    words = noun.replace("_", " ")
    if words.endswith("series"):
        return words
    if re.search(r"[^aeiou]y$", words):
        return f"{words[:-1]}ies"
    return f"{words}es" if re.search(r"(s|x|z|ch|sh)$", words) else f"{words}s"
