# SPDX-License-Identifier: Apache-2.0
"""Texts that may hold anything become Markdown that shows them as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it.token import Token

from otel_setup.render import markdown as md
from tests.page_reading import parsed


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("Oven {{ $labels.oven }}: {{$value|humanize}} <C>.", "Oven *oven*: *value* \\<C\\>."),
        ("{{ $labels.a_b }}/{{ $labels.c }}", "*a_b*/*c*"),
        ('{{ with query "up" }}{{ . | first | value }}{{ end }} of {{ $value }}', "… of *value*"),
        ('{{ reReplaceAll "[.].*" "" $labels.queue }}', "*queue*"),
        ("{{ externalURL }}", "…"),
    ],
)
def test_a_template_is_shown_by_the_names_in_it(template: str, shown: str) -> None:
    """What is computed when the alert fires is not known before."""
    assert md.template(template) == shown


@example("~~a~~ *b* [c](d) <e> &amp; $f$ `g")
@given(st.text(alphabet="ab_*\\<>[]|#~$&. \"'!(){}дё1-:/", max_size=30))
def test_a_text_is_shown_as_it_was_written(text: str) -> None:
    """Whatever Markdown would make of it."""
    escaped = md.prose(f"x {text}")
    assert "".join(_words(parsed(escaped))).split() == f"x {text}".split()
    cells = parsed(md.table(("head",), [(escaped,)]))
    assert [token.type for token in cells].count("td_open") == 1


def _words(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        yield from _words(token.children or [])
        if not token.children:
            yield "\n" if token.type in {"softbreak", "paragraph_close"} else token.content
