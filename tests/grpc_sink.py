# SPDX-License-Identifier: Apache-2.0
"""A Collector for tests that takes OTLP over gRPC, and keeps it as `Sink` does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.otlp_sink import Sink


@contextlib.contextmanager
def grpc_sink() -> Iterator[tuple[Sink, str]]:
    """Start one; yield what keeps the telemetry, and the address for exporters."""
    kept = Sink()
    server = grpc.server(ThreadPoolExecutor(8))

    def taking(path: str, answer: Callable[[], Any]) -> Callable[..., Any]:
        def take(_self: object, request: Any, _context: object) -> Any:
            kept._keep(path, request.SerializeToString(), 0)
            return answer()

        return take

    for path, name, messages, services in (
        ("/v1/traces", "Trace", trace_service_pb2, trace_service_pb2_grpc),
        ("/v1/metrics", "Metrics", metrics_service_pb2, metrics_service_pb2_grpc),
        ("/v1/logs", "Logs", logs_service_pb2, logs_service_pb2_grpc),
    ):
        answer = getattr(messages, f"Export{name}ServiceResponse")
        service = type(name, (), {"Export": taking(path, answer)})()
        getattr(services, f"add_{name}ServiceServicer_to_server")(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield kept, f"http://127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
        kept._server.server_close()
