# SPDX-License-Identifier: Apache-2.0
"""Reading rendered pages, the way GitHub does."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from otel_setup.render import markdown as md

_ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


def section(text: str, heading: str) -> str:
    """Return what stands in *text* between *heading* and the next heading of its level."""
    level = heading.split(" ", maxsplit=1)[0]
    after = text.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"\n(?:<a [^\n]*>\n\n)?#{{1,{len(level)}}} ", after)[0].strip("\n")


def parsed(text: str) -> list[Token]:
    """Return *text* as GitHub reads it."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def anchors(text: str) -> set[str]:
    """Return all places of the page *text* that a link may lead to."""
    tokens = parsed(text)
    headings = [
        tokens[place + 1].content
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    assert [heading for heading in headings if "<" in heading] == []
    return {md.slug(heading.replace("\\", "")) for heading in headings} | set(_ANCHOR.findall(text))


def marks(text: str) -> list[str]:
    """Return the places that *text* marks by itself."""
    return _ANCHOR.findall(text)
