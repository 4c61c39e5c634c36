# SPDX-License-Identifier: Apache-2.0
"""The page of the metrics: everything that is known of each, and the questions they answer."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.boards import Panel, Query
from otel_setup.catalogue.promql import increase, latest
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import reads
from otel_setup.render.documents import pages
from tests.documented_bakery import WHOLE
from tests.page_reading import section
from tests.sample_catalogue import BREADS, CATALOGUE, SOLD


def test_an_entry_has_everything_that_is_known_of_a_metric() -> None:
    """Its reason and its labels come first."""
    page = pages(CATALOGUE)["metrics.md"]
    assert section(page, "### `bakery_baking_duration_seconds`") == (
        """
Time in the oven.

- **Why**: Customers wait for it.
- **Labels**:
  - `oven`: name of the oven; at most 3 values
- **Kind**: histogram, unit `s`
- **In code**: `bakery.baking.duration`
- **Series**: `bakery_baking_duration_seconds_bucket`, `bakery_baking_duration_seconds_count`, \
`bakery_baking_duration_seconds_sum`
- **Buckets**: 60, 600, 1800, 3600
- **Method**: RED: duration
- **Questions**: [B1](#question-B1)
- **Panels**:
  - [Bakery](http://127.0.0.1:3000/d/bakery): How long does baking take?
- **Alerts**: [BakingIsSlow](alerts.md#bakingisslow)
""".strip("\n")
    )


def test_an_entry_in_russian_says_the_same() -> None:
    """Fixed words are translated, names of panels stay as they are on the screen."""
    page = pages(CATALOGUE)["ru/metrics.md"]
    assert section(page, "### `bakery_breads_sold_total`") == (
        """
Проданный хлеб.

- **Зачем**: Пекарня этим живёт.
- **Ярлыки**:
  - `flour`: вид муки; одно из `wheat`, `rye`
- **Вид**: счётчик, единица `{bread}`
- **В коде**: `bakery.breads.sold`
- **Метод**: бизнес
- **Вопросы**: [B1](#question-B1)
- **Панели**:
  - [Bakery](http://127.0.0.1:3000/d/bakery): Breads sold (1/s); Breads of the last hour
- **Алерты**: нет: A quiet day is no fault.
""".strip("\n")
    )


def test_an_entry_that_is_not_shown_says_why() -> None:
    """Reasons stand where links would be, escaped; the anchor keeps the name's capitals."""
    page = pages(WHOLE)["metrics.md"]
    assert '<a id="node_memory_MemFree_bytes"></a>\n\n### `node_memory_MemFree_bytes`\n' in page
    assert section(page, "### `node_memory_MemFree_bytes`") == (
        """
Memory \\<free\\> | unused.

- **Why**: It runs out.
- **Labels**: none of its own
- **Kind**: gauge, unit `By`
- **Method**: USE: saturation
- **Panels**: none: A page of the host shows it.
- **Alerts**: none: Free memory is no fault.
- **May be absent**: Only on Linux.
""".strip("\n")
    )


def test_a_recorded_entry_shows_its_rule() -> None:
    """What a name with colons means is read where it is used."""
    page = pages(CATALOGUE)["metrics.md"]
    assert section(page, "### `bakery:breads_sold:increase1h`").endswith(
        "\n\nRecorded from:\n\n```promql\nsum(increase(bakery_breads_sold_total[1h]))\n```"
    )


def test_a_component_has_an_overview() -> None:
    """Who owns it, where its metrics come from, and one line for each."""
    assert section(pages(WHOLE)["metrics.md"], "## The host").startswith(
        """
Owner: `bakers`. Source: a program that Prometheus scrapes. Scraped by job `oven`.

| metric | kind | unit | what it is |
| --- | --- | --- | --- |
| [`node_memory_MemFree_bytes`](#node_memory_MemFree_bytes) | gauge | `By` | Memory \\<free\\> \\| \
unused. |
""".strip("\n")
    )


def test_the_questions_have_a_line_for_each_panel() -> None:
    """The open one says what it waits for."""
    panel, slow = "http://127.0.0.1:3000/d/bakery", "alerts.md#bakingisslow"
    sold, baking = "bakery_breads_sold_total", "bakery_baking_duration_seconds"
    assert section(pages(WHOLE)["metrics.md"], "### Bakery") == "\n".join(
        (
            "",
            "| id | method | what is asked | metrics | why | labels | where to see |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            (
                f'| <a id="question-B1"></a>B1 | business | breads sold | [`{sold}`](#{sold}) '
                f"| The bakery lives on it. | `flour` | [Bakery / Breads sold (1/s)]({panel}) |"
            ),
            (
                f"|  |  |  | [`{baking}`](#{baking}) | Customers wait for it. | `oven` "
                f"| [Bakery / How long does baking take?]({panel}) |"
            ),
            (
                f"|  |  |  | [`{baking}`](#{baking}) | Baking takes over half an hour. | `oven` "
                f"| [BakingIsSlow]({slow}) |"
            ),
            (
                '| <a id="question-B2"></a>B2 | business | breads left over |  '
                "| **Open.** Missing: a count in the evening |  |  |"
            ),
        )
    ).strip("\n")


def test_a_panel_without_a_reason_has_that_of_what_its_queries_name_first() -> None:
    """Not of what stands first in the catalogue."""
    panel = Panel(title="Bread", queries=(Query(latest(SOLD)), Query(increase(BREADS))))
    assert [metric.name for metric in reads.metrics(CATALOGUE, panel)] == [SOLD.name, BREADS.name]
    assert reads.why(CATALOGUE, panel) == SOLD.why
    assert reads.why(CATALOGUE, replace(panel, why="Bread is life.")) == "Bread is life."


def test_open_questions_are_listed_together() -> None:
    """What is not served yet is no secret."""
    assert section(pages(CATALOGUE)["metrics.md"], "### Open questions") == (
        "- [B2](#question-B2), Bakery: breads left over. **Open.** Missing: a count in the evening"
    )


def test_without_open_questions_the_page_says_so() -> None:
    """An empty list would look like a mistake."""
    served = replace(CATALOGUE, questions=CATALOGUE.questions[:1])
    assert (
        section(pages(served)["metrics.md"], "### Open questions") == "Every question has a panel."
    )


def test_without_questions_there_is_no_chapter_of_them() -> None:
    """A catalogue of somebody else may have none."""
    plain = Catalogue(title="Host", components=(WHOLE.components[2],))
    page = pages(plain)["metrics.md"]
    assert "question" not in page.split("## Contents")[1]
