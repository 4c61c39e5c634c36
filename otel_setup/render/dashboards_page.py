# SPDX-License-Identifier: Apache-2.0
"""The page of the dashboards: what each one is asked, how it looks, and why each panel is there."""

from __future__ import annotations

from collections.abc import Iterator

from otel_setup.catalogue.boards import Dashboard
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import links, reads
from otel_setup.render import markdown as md
from otel_setup.render.language import Language

#: Where `otel-setup pictures` puts its pictures, below the folder of the documents.
PICTURES = "images/dashboards"


def page(catalogue: Catalogue, language: Language) -> str:
    """Return the page in *language*."""
    say = language.fixed
    boards = catalogue.dashboards
    panels = sum(len(board.panels) for board in boards)
    count = say("{dashboards} dashboards, {panels} panels.")
    return "\n".join(
        (
            md.header(),
            f"# {say('{title}: dashboards').format(title=md.prose(catalogue.title))}\n",
            f"{links.others(language, links.DASHBOARDS)}\n",
            count.format(dashboards=len(boards), panels=panels),
            say("The pictures show minutes of ordinary work; `otel-setup pictures` draws them.")
            + "\n",
            "".join(
                f"- {md.link(md.prose(board.title), f'#dashboard-{board.slug}')}: "
                f"{md.prose(language.of(board.asks))}\n"
                for board in boards
            ),
            *(_chapter(catalogue, board, language) for board in boards),
        )
    )


def _chapter(catalogue: Catalogue, board: Dashboard, language: Language) -> str:
    title = md.prose(board.title)
    up = "../" if language.folder else ""
    return "\n".join(
        (
            f"{md.mark(f'dashboard-{board.slug}')}\n\n## {title}\n",
            f"{md.prose(language.of(board.asks))}\n",
            f"!{md.link(title, f'{up}{PICTURES}/{board.slug}.png')}\n",
            md.table(
                (language.fixed("panel"), language.fixed("why"), language.fixed("answers")),
                _rows(catalogue, board, language),
            ),
        )
    )


def _rows(
    catalogue: Catalogue, board: Dashboard, language: Language
) -> Iterator[tuple[str, str, str]]:
    for section in board.sections:
        # Names stay as they are on the screen.
        yield f"**{md.prose(section.title)}**", "", ""
        for panel in section.panels:
            yield (
                md.prose(panel.title),
                md.prose(language.of(reads.why(catalogue, panel))),
                ", ".join(links.question(row, links.METRICS) for row in panel.rows),
            )
