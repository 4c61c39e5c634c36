# SPDX-License-Identifier: Apache-2.0
"""Values that are read at every export: once for each provider, however often one asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry import metrics

from otel_setup.catalogue.model import Counter, Gauge, UpDownCounter
from otel_setup.instruments import Observations, is_deferred, observe

#: An entry of the catalogue, and what reads its values.
Reading = tuple[Counter | UpDownCounter | Gauge, Callable[[], Observations]]


class Observing:
    """Has *readings* observed; the API cannot take an observation back, so each only once."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings
        #: Providers that read them.
        self._published: list[object] = []

    def publish(self) -> bool:
        """Have them read at every export of the present provider; False if they are already."""
        # What was asked of the API before a provider came goes over to it by itself.
        if any(map(is_deferred, self._published)):
            return False
        meters = metrics.get_meter_provider()
        if any(known is meters for known in self._published):
            return False
        self._published.append(meters)
        for entry, read in self._readings:
            observe(entry, read)
        return True

    def renew(self) -> None:
        """Begin anew with a recording of a test, which forgets what an earlier one observed."""
        meters = metrics.get_meter_provider()
        self._published[:] = [known for known in self._published if known is not meters]
