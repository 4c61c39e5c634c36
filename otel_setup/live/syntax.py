# SPDX-License-Identifier: Apache-2.0
"""
What an expression reads, from the syntax tree that Prometheus makes of it.

The tree is that of ``/api/v1/parse_query``. Labels are followed from the selectors outwards, so
that a label that an expression groups by, joins on or shows is known to be there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from otel_setup.catalogue.promql import WINDOW

Tree = Mapping[str, Any]
#: The labels of a metric by its name; None if they cannot be known.
LabelsOf = Callable[[str], "frozenset[str] | None"]

_SELECTORS = {"vectorSelector", "matrixSelector"}
_PASS_ALL_LABELS = {"topk", "bottomk", "limitk", "limit_ratio"}
_SET_OPERATORS = {"and", "unless"}
_NO_LABELS = {"vector", "scalar"}
_LABELS_OF_MATCHERS = {"absent", "absent_over_time"}
_MAKE_A_LABEL = {"label_replace", "label_join"}
_UNORDERED = {"matchers", "grouping", "labels", "include"}
_WINDOWS = re.compile(r"\$\{?__(rate_interval|interval|range)\}?")
_VARIABLE = re.compile(r"\$\{?[a-zA-Z]\w*(:\w+)?\}?")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a selector; ``sign`` is ``=``, ``!=``, ``=~`` or ``!~``."""

    label: str
    sign: str
    value: str


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series an expression reads; ``name`` is empty if they are not chosen by one name."""

    name: str
    matchers: tuple[Matcher, ...]


def closed(text: str, window: str) -> str:
    """Return *text* as Grafana would send it: windows closed, every variable as "all"."""
    text = _WINDOWS.sub(window, text.replace(WINDOW, window))
    return _VARIABLE.sub(".+", text)


def selectors(tree: Any) -> Iterator[Selector]:
    """Yield every selector of *tree*, from left to right."""
    if isinstance(tree, list):
        for each in tree:
            yield from selectors(each)
    elif isinstance(tree, Mapping):
        if tree.get("type") in _SELECTORS:
            yield Selector(
                str(tree["name"]),
                tuple(
                    Matcher(each["name"], each["type"], each["value"])
                    for each in tree["matchers"]
                    if each["name"] != "__name__"
                ),
            )
        for each in tree.values():
            yield from selectors(each)


def normal(tree: Any) -> Any:
    """Return *tree* with conditions and labels in order, so that equal expressions are equal."""
    if isinstance(tree, list):
        return [normal(each) for each in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {
        key: sorted(each or (), key=str) if key in _UNORDERED else normal(each)
        for key, each in tree.items()
    }


def falls_below_zero(tree: Any) -> bool:
    """Tell whether what *tree* computes may be negative though nothing that it reads is."""
    if isinstance(tree, list):
        return any(falls_below_zero(each) for each in tree)
    if not isinstance(tree, Mapping):
        return False
    function = (tree.get("func") or {}).get("name")
    if tree.get("op") == "-" or function in {"deriv", "delta", "idelta", "predict_linear"}:
        return True
    return any(falls_below_zero(each) for each in tree.values())


class Flow:
    """
    Which labels an expression's series have, and where one is asked for that is not there.

    ``absent`` collects the pairs of such a label and what asks for it.
    """

    def __init__(self, labels_of: LabelsOf) -> None:
        self._labels_of = labels_of
        self.absent: list[tuple[str, str]] = []

    def of(self, tree: Tree) -> frozenset[str] | None:
        """Return the labels that series of *tree* may have; None if they cannot be known."""
        kind = tree["type"]
        if kind in _SELECTORS:
            return self._labels_of(str(tree["name"])) if tree["name"] else None
        if kind == "aggregation":
            return self._aggregation(tree)
        if kind == "call":
            return self._call(tree)
        if kind == "binaryExpr":
            return self._binary(tree)
        if "expr" in tree:
            return self.of(tree["expr"])
        return frozenset()

    def _asked(self, label: str, have: frozenset[str] | None, where: str) -> None:
        if have is not None and label not in have:
            self.absent.append((label, where))

    def _aggregation(self, tree: Tree) -> frozenset[str] | None:
        inner = self.of(tree["expr"])
        grouping = frozenset(tree["grouping"])
        how = "without" if tree["without"] else "by"
        for label in sorted(grouping):
            self._asked(label, inner, f"{tree['op']} {how}")
        if tree["op"] in _PASS_ALL_LABELS:
            return inner
        kept = grouping
        if tree["without"]:
            if inner is None:
                return None
            kept = inner - grouping
        if tree["op"] == "count_values":
            kept |= {tree["param"]["val"]}
        return kept

    def _call(self, tree: Tree) -> frozenset[str] | None:
        function, arguments = tree["func"]["name"], tree["args"]
        inner: frozenset[str] | None = frozenset()
        for argument in arguments:
            labels = self.of(argument)
            inner = None if labels is None or inner is None else inner | labels
        if function in _NO_LABELS:
            return frozenset()
        if function in _LABELS_OF_MATCHERS:
            named = [each for argument in arguments for each in selectors(argument)]
            return frozenset(m.label for each in named for m in each.matchers if m.sign == "=")
        if inner is None or function == "info":
            return None
        if function in _MAKE_A_LABEL:
            return inner | {arguments[1]["val"]}
        return inner - {"le"} if function == "histogram_quantile" else inner

    def _binary(self, tree: Tree) -> frozenset[str] | None:
        left, right = self.of(tree["lhs"]), self.of(tree["rhs"])
        matching = tree["matching"]
        if matching is None:  # one side is a number
            return left if tree["rhs"]["type"] == "numberLiteral" else (left or right)
        labels = frozenset(matching["labels"])
        if matching["on"]:
            for label in sorted(labels):
                self._asked(label, left, f"left of {tree['op']} on")
                self._asked(label, right, f"right of {tree['op']} on")
        if tree["op"] in _SET_OPERATORS:
            return left
        if left is None or right is None:
            return None
        if tree["op"] == "or":
            return left | right
        return self._joined(tree["op"], matching, left, right)

    def _joined(
        self, operator: str, matching: Tree, left: frozenset[str], right: frozenset[str]
    ) -> frozenset[str]:
        labels, include = frozenset(matching["labels"]), frozenset(matching["include"])
        if matching["card"] in {"many-to-one", "one-to-many"}:
            many, one = (left, right) if matching["card"] == "many-to-one" else (right, left)
            for label in sorted(include):
                self._asked(label, one, f"{operator} group")
            return many | include
        return labels if matching["on"] else left - labels
