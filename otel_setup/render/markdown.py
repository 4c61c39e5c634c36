# SPDX-License-Identifier: Apache-2.0
"""Markdown that reads the same on GitHub and in a terminal, from texts that may hold anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from otel_setup.render.page import MARK

#: What stays as it is (code, addresses), what becomes code (names with underscores), what is
#: a mark of Markdown.
_PIECE = re.compile(
    r"(?P<code>`[^`\n]+`)|(?P<url>https?://[^\s<>)]*[^\s<>).,;:])"
    r"|(?P<name>[\w.:$/-]*_[\w.:/-]*\w)|(?P<mark>[\\`*_<>\[\]~$&])",
    re.ASCII,
)
#: Templates of Prometheus: whole blocks, which compute something, and single ones.
_BLOCK = r"\{\{-?\s*(?:with|range|if)\b.*?\{\{-?\s*end\s*-?\}\}"
_TEMPLATE = re.compile(rf"(?P<block>{_BLOCK})|\{{\{{.*?\}}\}}", re.DOTALL)
_NAMED = re.compile(r"\$labels\.(\w+)|\$(value)")


def header() -> str:
    """Return the first line of a generated page: a comment, which no reader sees."""
    return f"<!-- {MARK}. Do not edit: change the catalogue and render again. -->\n"


def prose(text: str) -> str:
    """
    Return *text* with all that Markdown would take for a mark escaped.

    Code in backticks and addresses stay; names with underscores become code.
    """
    lines = (re.sub(r"^(\s*)#", r"\1\\#", line) for line in _PIECE.sub(_escaped, text).split("\n"))
    return "\n".join(lines).strip()


def template(text: str) -> str:
    """Return a template of Prometheus as prose: each label and the value by name, in italics."""
    parts, end = [], 0
    for match in _TEMPLATE.finditer(text):
        parts += [_around(text[end : match.start()]), _named(match)]
        end = match.end()
    return "".join([*parts, _around(text[end:])]).strip()


def code(text: str) -> str:
    """Return *text* as code within a line, whatever backticks it holds."""
    ticks = "`" * (1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def block(text: str, language: str = "promql") -> str:
    """Return *text* as a block of code."""
    return f"```{language}\n{text}\n```\n"


def link(shown: str, target: str) -> str:
    """Return a link; *shown* is Markdown already."""
    return f"[{shown}]({target})"


def mark(anchor: str) -> str:
    """Return an invisible place to link to."""
    return f'<a id="{anchor}"></a>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are Markdown already and may hold line ends."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives to *heading*."""
    plain = re.sub(r"<[^>]*>|[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def _named(match: re.Match[str]) -> str:
    named = None if match["block"] else _NAMED.search(match[0])
    return f"*{named[1] or named[2]}*" if named else "…"


def _around(text: str) -> str:
    """Return the prose beside a template, with the blanks that it stands between."""
    before = text[: len(text) - len(text.lstrip())]
    after = text[len(text.rstrip()) :] if text.strip() else ""
    return before + prose(text) + after


def _escaped(match: re.Match[str]) -> str:
    if match["name"]:
        return code(match["name"])
    if match["mark"]:
        return "\\" + match["mark"]
    return match[0]


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip()).replace("|", "\\|")
