# SPDX-License-Identifier: Apache-2.0
"""The environments with older frameworks differ from the project's in the frameworks only."""

from __future__ import annotations

import pytest

from tests import http_matrix


@pytest.mark.parametrize("name", http_matrix.SETS)
def test_the_matrix_has_the_opentelemetry_of_the_project(name: str) -> None:
    """What differs between two environments is the framework's doing."""
    ours = http_matrix.constraints()
    theirs = http_matrix.pins(name)
    shared = {package for package in theirs if package.startswith("opentelemetry-")}
    assert shared
    assert {package: theirs[package] for package in shared} == {
        package: ours[package] for package in shared
    }
