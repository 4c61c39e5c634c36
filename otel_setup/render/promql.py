# SPDX-License-Identifier: Apache-2.0
"""
Long PromQL in several lines, for people who read rules.

Only blanks are changed, and none inside a string, so the expression stays what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: What a line may be broken before, the loosest binding first.
_OPERATORS = (
    ("or",),
    ("and", "unless"),
    (">", "<", ">=", "<=", "==", "!="),
    ("+", "-"),
    ("*", "/", "%"),
)
_TOKEN = re.compile(
    r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`|[(){}\[\]]|\s+|[^\s"\'`(){}\[\]]+'
)
_OPENS, _CLOSES = "([{", ")]}"


def folded(text: str, width: int = 88) -> str:
    """Return *text* broken at commas, operators and brackets where it is over *width* long."""
    return "\n".join(_lines(text.strip(), width))


def _lines(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    for parts in (_arguments(text), *(_terms(text, operators) for operators in _OPERATORS)):
        if len(parts) > 1:
            return [line for part in parts for line in _lines(part, width)]
    return _opened(text, width)


def _opened(text: str, width: int) -> list[str]:
    """Put the inside of the last outer brackets of *text* on lines of its own."""
    span = None
    opened = 0
    for token, position, depth in _tokens(text):
        if depth == 0 and token in {"(", "{"}:
            opened = position + 1
        if depth == 0 and token in {")", "}"}:
            span = (opened, position)
    if span is None:
        return [text]
    start, end = span
    inner = [f"  {line}" for line in _lines(text[start:end].strip(), width - 2)]
    return [text[:start], *inner, text[end:]]


def _arguments(text: str) -> list[str]:
    """Return *text* in pieces that end with the commas outside all brackets."""
    ends = [
        position + len(token)
        for token, position, depth in _tokens(text)
        if depth == 0 and token.endswith(",")
    ]
    return _pieces(text, ends)


def _terms(text: str, operators: tuple[str, ...]) -> list[str]:
    """Return *text* in pieces that begin with the *operators* outside all brackets."""
    starts = [
        position
        for token, position, depth in _tokens(text)
        if depth == 0 and position > 0 and token in operators
    ]
    return _pieces(text, starts)


def _pieces(text: str, at: list[int]) -> list[str]:
    bounds = zip([0, *at], [*at, len(text)], strict=True)
    return [piece for start, end in bounds if (piece := text[start:end].strip())]


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each token with its position and how many brackets are open around it."""
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        depth -= token in _CLOSES
        yield token, match.start(), depth
        depth += token in _OPENS
