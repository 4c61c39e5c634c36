# SPDX-License-Identifier: Apache-2.0
"""Where the instrumentation of S3 clients begins and ends."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup.instrumentation.patching import Patches
from otel_setup.instrumentation.s3 import body, botocore, s3transfer
from otel_setup.instrumentation.s3.attributes import shows_keys
from otel_setup.instrumentation.s3.upstream import StandsAside


class S3Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures every client of S3 that botocore or boto3 made; entry point ``otel_setup_s3``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose clients are measured."""
        return ("botocore >= 1.36, < 2",)

    def _instrument(self, **_kwargs: Any) -> None:
        keys = shows_keys()
        clients = self._clients = botocore.Clients(keys=keys)
        transfers = self._transfers = s3transfer.Transfers(keys=keys)
        self._upstream = StandsAside()
        self._upstream.ask()
        self._patches = [Patches(lambda: botocore.replacements(clients))]
        self._patches[0].apply()
        body.begin()

        def found(_module: Any) -> None:
            if transfers.active:
                patches = Patches(lambda: s3transfer.replacements(transfers))
                patches.apply()
                self._patches.append(patches)

        # boto3 imports it when it makes its first client.
        wrapt.when_imported("s3transfer.manager")(found)

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._clients.active = self._transfers.active = False
        for patches in reversed(self._patches):
            patches.undo()
        body.end()
        self._upstream.release()
