# SPDX-License-Identifier: Apache-2.0
"""A catalogue is found by the name of its module; what goes wrong is named with its fix."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sample_catalogue as sample

from otel_setup.catalogue.loading import LoadError, load

_BAD_NAME = """\
from otel_setup.catalogue.model import Counter
BREADS = Counter(name='Breads!', unit='1', description='d', why='w')
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder; modules that a test loads are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refused(name: str) -> str:
    """Return why there is no catalogue under *name*."""
    with pytest.raises(LoadError) as raised:
        load(name)
    return str(raised.value)


def test_a_module_may_lie_in_the_current_folder(here: Path) -> None:
    """Nobody has to set a path."""
    (here / "company").mkdir()
    (here / "company" / "everything.py").write_text("from sample_catalogue import CATALOGUE\n")
    assert load("company.everything") is sample.CATALOGUE


def test_a_module_that_does_not_exist_is_named(here: Path) -> None:
    """The part of the name that is missing, and the places that were looked in."""
    (here / "bakery.py").write_text("")
    (here / "company").mkdir()
    where = (
        f"Looked in {here} and in what is installed. "
        "Start the command in the folder that holds it, or install it."
    )
    for name, part in (
        ("nowhere.at.all", "nowhere"),
        ("bakery.hot", "bakery.hot"),
        ("company.hot", "company.hot"),
    ):
        assert refused(name) == f"there is no module {part!r}, so no {name!r}. {where}"


@pytest.mark.parametrize("path", ["company/bakery.py", "./company/bakery", "company.bakery.py"])
def test_a_path_is_answered_with_the_name_of_its_module(path: str) -> None:
    """It is what one types first."""
    assert refused(path) == f"{path!r} is a path. Give the module's name: company.bakery"


def test_a_module_without_a_catalogue_is_named(here: Path) -> None:
    """With what is expected of it."""
    expected = "Expected CATALOGUE = Catalogue(...) of otel_setup.catalogue.whole."
    (here / "empty.py").write_text("")
    (here / "wrong.py").write_text("CATALOGUE = [1]\n")
    assert refused("empty") == f"module 'empty': CATALOGUE is missing. {expected}"
    assert refused("wrong") == f"module 'wrong': CATALOGUE is no Catalogue but [1]. {expected}"


@pytest.mark.parametrize(
    ("code", "line", "expected"),
    [
        ("import nowhere_at_all", 1, "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("\n1 / 0", 2, "ZeroDivisionError: division by zero"),
        (
            _BAD_NAME,
            2,
            (
                "ValueError: metric name 'Breads!': expected lower-case words joined by dots, "
                "such as 'shop.orders.created', or the name that a program exposes."
            ),
        ),
    ],
)
def test_an_entry_that_fails_is_named_with_its_line(
    here: Path, code: str, line: int, expected: str
) -> None:
    """The line is the user's, not that of the type that refused it."""
    (here / "failing.py").write_text(code)
    assert refused("failing") == (
        f"module 'failing' cannot be imported in {here}/failing.py, line {line}:\n  {expected}"
    )


def test_a_module_that_is_no_python_is_named_with_its_line(here: Path) -> None:
    """Python says where."""
    (here / "garbled.py").write_text("\n\ndear diary\n")
    assert refused("garbled") == (
        "module 'garbled' cannot be imported:\n  SyntaxError: invalid syntax (garbled.py, line 3)"
    )
