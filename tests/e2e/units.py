# SPDX-License-Identifier: Apache-2.0
"""
The unit of an expression by the names of what it reads, without the catalogue.

A second opinion: the catalogue computes units from its entries, this from the suffixes that
Prometheus' names carry. None where names say nothing.
"""

from __future__ import annotations

import re

from otel_setup.live.syntax import Tree

#: Grafana's formats that may show a value, one or several.
Formats = frozenset[str]
_SECONDS, _BYTES, _SHARE = frozenset({"s"}), frozenset({"bytes"}), frozenset({"percentunit"})
_SUFFIXES = {"seconds": _SECONDS, "bytes": _BYTES, "ratio": _SHARE}
_NAME = re.compile(rf"_({'|'.join(_SUFFIXES)})(_total|_sum|_bucket)?$")
#: Seconds in a second are a share of the time, or how many things went on at once.
_PER_SECOND = {_SECONDS: frozenset({"percentunit", "locale"}), _BYTES: frozenset({"binBps"})}
_KEEP = {
    *("increase", "delta", "abs", "clamp_min", "clamp_max", "sort", "sort_desc", "label_replace"),
    *("max_over_time", "min_over_time", "avg_over_time", "last_over_time", "quantile_over_time"),
}


def unit(tree: Tree) -> Formats | None:
    """Return Grafana's formats for what *tree* computes; None if its names do not tell."""
    match tree["type"]:
        case "vectorSelector" | "matrixSelector":
            found = _NAME.search(tree["name"])
            return _SUFFIXES[found[1]] if found else None
        case "aggregation":
            return None if tree["op"] in {"count", "count_values", "group"} else unit(tree["expr"])
        case "parenExpr" | "subquery" | "unaryExpr":
            return unit(tree["expr"])
        case "call":
            return _of_call(tree)
        case "binaryExpr":
            return _of_binary(tree)
    return None


def _of_call(tree: Tree) -> Formats | None:
    function = tree["func"]["name"]
    if function == "histogram_quantile":
        return _of_quantile(tree["args"][1])
    inner = next((unit(each) for each in tree["args"] if unit(each)), None)
    if function in {"rate", "irate", "deriv"}:
        return _PER_SECOND.get(inner) if inner else None
    return inner if function in _KEEP else None


def _of_quantile(tree: Tree) -> Formats | None:
    """Return the unit of the buckets themselves, of which `tree` is a rate."""
    while tree["type"] not in {"vectorSelector", "matrixSelector"}:
        tree = tree["args"][0] if tree["type"] == "call" else tree["expr"]
    return unit(tree)


def _of_binary(tree: Tree) -> Formats | None:
    left, right = unit(tree["lhs"]), unit(tree["rhs"])
    numbers = [tree[side]["type"] == "numberLiteral" for side in ("lhs", "rhs")]
    if any(numbers):
        return right if numbers[0] else left
    if tree["op"] == "/":
        return _SHARE if left and left == right else None
    if tree["op"] in {"and", "unless"}:
        return left
    return left if left == right and tree["op"] != "*" else None
