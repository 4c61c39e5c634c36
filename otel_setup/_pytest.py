# SPDX-License-Identifier: Apache-2.0
"""
The fixture ``otel`` of pytest; entry point ``pytest11``.

pytest loads this module in every environment that has this package. It costs nothing
there: `otel_setup.testing` and the SDK are imported by the first test that asks for them.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from otel_setup.testing import Telemetry


@pytest.fixture(name="otel")
def _otel() -> Iterator[Telemetry]:
    """Spans, metrics and log records of one test, in memory (otel_setup.testing)."""
    from otel_setup import testing  # noqa: PLC0415 - the SDK costs 0.3 s to import

    with testing._recording() as telemetry:  # noqa: SLF001 - the check runs inside the test
        yield telemetry


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test that recorded what the catalogue does not allow: the test, not its clean-up."""
    result = yield
    testing = sys.modules.get("otel_setup.testing")
    telemetry = pyfuncitem.funcargs.get("otel")
    if testing is not None and isinstance(telemetry, testing.Telemetry):
        found = telemetry.problems()
        if found:
            pytest.fail("\n".join(found), pytrace=False)
    return result
