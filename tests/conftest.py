# SPDX-License-Identifier: Apache-2.0
"""What several test modules share. Nothing of a test is left behind for the next one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import trace
from opentelemetry.metrics import _internal as metrics_api
from opentelemetry.sdk.metrics.export import Metric

from otel_setup import _guard, testing
from tests.otlp_sink import Sink

if TYPE_CHECKING:
    from tests.broker import Broker
    from tests.postgres_server import PostgresServer
    from tests.s3_proxy import S3Proxy
    from tests.storage_server import StorageServer

# A busy machine is slow, not wrong: pytest-timeout is the limit.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without OpenTelemetry variables, and without warnings that were given before."""
    # Whoever counts through it would be counted in each test that follows.
    assert trace._TRACER_PROVIDER is None, "an earlier test left its tracer provider behind"
    assert metrics_api._METER_PROVIDER is None, "an earlier test left its meter provider behind"
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(_guard, "_last_line", {})


class Telemetry:
    """What the code under test recorded in this process, as the SDK's own objects."""

    def __init__(self, otel: testing.Telemetry) -> None:
        self._otel = otel

    def metric(self, name: str) -> Metric | None:
        """Return the metric *name*; None when nothing was recorded."""
        data = self._otel._recording._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        return metric
        return None

    def spans(self) -> list[str]:
        """Return the names of the spans that ended."""
        return [span.name for span in self._otel.spans]

    def values(self, name: str) -> dict[frozenset[tuple[str, object]], float]:
        """Return the values of the metric *name*, by its attributes."""
        metric = self.metric(name)
        points = metric.data.data_points if metric else ()
        return {frozenset((point.attributes or {}).items()): point.value for point in points}


@pytest.fixture
def telemetry(otel: testing.Telemetry) -> Telemetry:
    """Look at the records of the fixture ``otel`` as the SDK makes them."""
    return Telemetry(otel)


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A Collector that takes everything."""
    with Sink() as started:
        yield started


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A RabbitMQ node that the tests share; each has queues of its own."""
    from tests.broker import Broker  # noqa: PLC0415 - it needs what only tests of the stack have

    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server that the tests share; each has tables of its own."""
    from tests.postgres_server import PostgresServer  # noqa: PLC0415 - needs what `broker` needs

    with PostgresServer(tmp_path_factory.mktemp("postgres")) as started:
        yield started


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageServer]:
    """An S3 storage that the tests share; each has buckets of its own."""
    from tests.storage_server import StorageServer  # noqa: PLC0415 - needs what `broker` needs

    with StorageServer(tmp_path_factory.mktemp("storage")) as started:
        yield started


@pytest.fixture
def network(storage: StorageServer) -> Iterator[S3Proxy]:
    """A network to the storage that counts, and that the test may break."""
    from tests.s3_proxy import S3Proxy  # noqa: PLC0415 - needs what `broker` needs

    with S3Proxy(storage.port) as started:
        yield started


@pytest.fixture
def instrumentation(
    request: pytest.FixtureRequest,
    otel: testing.Telemetry,  # noqa: ARG001 - what is patched in records there
) -> Iterator[object]:
    """The instrumentor that the test is given by name, at work until the test ends."""
    from tests.amqp_gaps import instrumented  # noqa: PLC0415 - only some tests need it

    with instrumented(request.param) as instrumentor:
        yield instrumentor
