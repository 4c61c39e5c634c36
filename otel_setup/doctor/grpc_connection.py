# SPDX-License-Identifier: Apache-2.0
"""The last steps of the way to a Collector by gRPC: encryption, service, token."""

from __future__ import annotations

from typing import Any

from otel_setup.doctor.findings import Finding, failure, ok
from otel_setup.doctor.target import Target

_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_METHOD = "Export"


def check(target: Target) -> Finding:
    """Send an empty export to *target*, whose port is open, and return what comes back."""
    about = f"{target.signal} to {target.shown}"
    try:
        import grpc  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError:
        return failure(
            "connection.protocol",
            about,
            "OTEL_EXPORTER_OTLP_PROTOCOL='grpc' needs a package that is not installed",
            "Install it with: pip install 'otel-setup[grpc]'",
        )
    host, port = target.address
    try:
        channel = _channel(grpc, target, f"{host}:{port}")
    except OSError as error:
        return failure(
            "connection.tls",
            about,
            f"a certificate file cannot be read ({error.strerror}: {error.filename})",
            "Correct OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY.",
        )
    with channel:
        call = channel.unary_unary(f"/{target.service}/{_METHOD}")
        try:
            call(b"", timeout=target.seconds, metadata=tuple(target.headers.items()))
        except grpc.RpcError as error:
            return _failed(target, about, error.code().name, str(error.details() or ""))
    return ok("connection", about, "the Collector takes it")


def _channel(grpc: Any, target: Target, address: str) -> Any:
    if not target.secure:
        return grpc.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(
        _read(target.authority), _read(target.key), _read(target.certificate)
    )
    return grpc.secure_channel(address, credentials)


def _read(path: str) -> bytes | None:
    if not path:
        return None
    with open(path, "rb") as file:  # noqa: PTH123 - a path of the environment, read once
        return file.read()


def _failed(target: Target, about: str, code: str, details: str) -> Finding:
    said = f"{code}: {details}" if details else code
    words = details.lower() if target.secure else ""
    refused = "refuses the token" if target.headers else "wants a token, and none is set"
    rows = (
        (
            code in {"UNAUTHENTICATED", "PERMISSION_DENIED"},
            "token",
            f"the Collector {refused} ({said})",
            "Set OTEL_EXPORTER_OTLP_HEADERS to what its receiver expects.",
        ),
        (
            code == "UNIMPLEMENTED",
            "path",
            f"what answers knows no such service ({said})",
            f"Let {_VARIABLE} be the port of a Collector.",
        ),
        (
            code == "DEADLINE_EXCEEDED",
            "timeout",
            f"the port is open and does not answer within {target.seconds:g} s",
            (
                f"Correct the port in {_VARIABLE} (usually 4317 for grpc), or look whether the "
                "Collector hangs."
            ),
        ),
        (
            "certificate" in words or "verify" in words,
            "tls",
            f"the certificate is not trusted ({said})",
            "Name the authority that signed it in OTEL_EXPORTER_OTLP_CERTIFICATE (a PEM file).",
        ),
        (
            "ssl" in words or "tls" in words or "handshake" in words,
            "tls",
            f"the port speaks no TLS, and the address begins with https ({said})",
            f"Write http:// in {_VARIABLE}, or switch TLS on in the Collector's receiver.",
        ),
        (
            code == "RESOURCE_EXHAUSTED",
            "busy",
            f"the Collector refuses data for now ({said})",
            "Give it more memory, or look at what it cannot send on.",
        ),
        (
            True,
            "protocol",
            f"what answers speaks no gRPC ({said})",
            (
                f"Use the port for grpc in {_VARIABLE} (usually 4317), or set "
                "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf. A receiver with TLS needs https://."
            ),
        ),
    )
    step, seen, fix = next(row[1:] for row in rows if row[0])
    return failure(f"connection.{step}", about, seen, fix)
