# SPDX-License-Identifier: Apache-2.0
"""The life of an instrumentation that replaces methods of a web framework's classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup.instrumentation.http import counts
from otel_setup.instrumentation.http.policy import Policy
from otel_setup.instrumentation.patching import Patches, Replacement


class FrameworkInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures every application of one framework; ``_policy`` is None while it does not."""

    #: As in ``OTEL_PYTHON_<FRAMEWORK>_EXCLUDED_URLS``.
    framework: ClassVar[str]
    #: What it has in common with another framework.
    also: ClassVar[tuple[Patches, ...]] = ()

    _policy: Policy | None = None

    def instrument(self, **kwargs: Any) -> None:
        """Patch, once; a second call changes nothing."""
        if not self.is_instrumented_by_opentelemetry:
            super().instrument(**kwargs)

    def _instrument(self, **_kwargs: Any) -> None:
        self._policy = Policy.from_env(self.framework)
        counts.publish()
        self._patches = (*self.also, Patches(self._replacements))
        for patches in self._patches:
            patches.apply()

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._policy = None
        for patches in reversed(self._patches):
            patches.undo()

    @abstractmethod
    def _replacements(self) -> Iterator[Replacement]:
        """Yield the methods of the framework, and what makes ours of them."""
