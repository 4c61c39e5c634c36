# SPDX-License-Identifier: Apache-2.0
"""Show one alert's section of the document of all runbooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from services_demo.pager import links
from services_demo.pager.settings import Settings

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

#: The heading of a runbook is the name of its alert; chapters stand above it.
_NAME = re.compile(r"### ([A-Z][A-Za-z0-9]+) *")
_HEADING = re.compile(r"#{1,3} .*")
_FENCE = "```"

#: Invisible places to link to.
_ANCHOR = re.compile(r'<a (?:id|name)="[^"]*"></a>')


class UnknownRunbookError(LookupError):
    """There is no such section; ``known`` are the names that there are."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name)
        self.known = known


def section(name: str, settings: Settings) -> str:
    """
    Return the runbook *name* as HTML, its queries with a link that runs them.

    Raises:
        UnknownRunbookError: the document has no heading *name*.
        OSError: the document cannot be read.
    """
    sections = _sections(settings.runbooks.read_text(encoding="utf-8"))
    if name not in sections:
        raise UnknownRunbookError(name, sorted(sections))
    markdown = _markdown(settings.prometheus_page or settings.prometheus_url)
    tokens = markdown.parse(_ANCHOR.sub("", "\n".join(sections[name])))
    _mend_links(tokens, {known.lower(): known for known in sections}, settings)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each runbook by its name; in code a line may look like a heading."""
    found: dict[str, list[str]] = {}
    name, in_code = "", False
    for line in text.splitlines():
        if line.startswith(_FENCE):
            in_code = not in_code
        elif not in_code and _HEADING.fullmatch(line):
            match = _NAME.fullmatch(line)
            name = match[1] if match else ""
        if name:
            found.setdefault(name, []).append(line)
    return found


def _markdown(prometheus_url: str) -> MarkdownIt:
    # 4 MB that are only spent when somebody looks at a runbook.
    from markdown_it import MarkdownIt  # noqa: PLC0415

    def fence(_self: Any, tokens: Sequence[Token], place: int, *_more: object) -> str:
        return _fence(tokens[place], prometheus_url)

    # No HTML: whatever the document holds, the page shows it as text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("fence", fence)
    return markdown


def _fence(token: Token, prometheus_url: str) -> str:
    from markdown_it.common.utils import escapeHtml  # noqa: PLC0415

    run = ""
    if token.info.strip() == "promql":
        page = f"{prometheus_url}/query?g0.expr={quote(token.content.strip())}&g0.tab=0"
        run = f'<a class="run" href="{escapeHtml(page)}">run</a>'
    return f"<pre>{run}<code>{escapeHtml(token.content)}</code></pre>\n"


def _mend_links(tokens: Sequence[Token], names: dict[str, str], settings: Settings) -> None:
    """Have links lead to the pages of this machine; what is not served here is no link."""
    for token in tokens:
        for child in token.children or ():
            if child.type != "link_open":
                continue
            target = _target(str(child.attrs.pop("href", "")), names, settings)
            if target:
                child.attrs["href"] = target


def _target(href: str, names: dict[str, str], settings: Settings) -> str:
    if links.is_dashboard(href):
        return links.dashboard(href, settings)
    if href.startswith(("http://", "https://")):
        return href
    name = names.get(href.partition("#")[2].lower())
    return f"/runbooks/{name}" if name else ""
