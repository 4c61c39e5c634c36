# SPDX-License-Identifier: Apache-2.0
"""Where one signal is sent by OTLP, with everything that the exporter reads for it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from otel_setup import _file
from otel_setup._report import endpoint, without_password
from otel_setup.settings import ConfigError, Settings

_SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}
#: Signal → the part of a declarative file that sends it.
_PARTS = {"traces": "tracer_provider", "metrics": "meter_provider", "logs": "logger_provider"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The address that OTLP of one *signal* goes to."""

    signal: str
    protocol: str
    url: str
    headers: Mapping[str, str]
    seconds: float
    #: Files of the certificate authority, of the client's certificate and of its key; '' for none.
    authority: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def shown(self) -> str:
        """The address for people."""
        return without_password(self.url)

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "https"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url if "//" in self.url else f"//{self.url}")
        return parts.hostname or "", parts.port or (443 if self.secure else 80)

    @property
    def service(self) -> str:
        """Name of the gRPC service that takes the signal."""
        return _SERVICES[self.signal]

    def connect(self) -> socket.socket:
        """
        Connect without encryption.

        Raises:
            OSError: that is not possible.
        """
        return socket.create_connection(self.address, timeout=self.seconds)

    def tls(self) -> ssl.SSLContext:
        """
        Return what the exporter checks certificates with.

        Raises:
            OSError: a file is missing or holds no certificate.
        """
        context = ssl.create_default_context(cafile=self.authority or _authorities())
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context


def targets(settings: Settings, environ: Mapping[str, str]) -> list[Target]:
    """Return the targets of all signals that *settings* send by OTLP."""
    names = {
        "traces": settings.traces_exporters,
        "metrics": settings.metrics_exporters,
        "logs": settings.logs_exporters,
    }
    if settings.config_file:
        return list(_of_file(settings, environ))
    found = []
    for signal, exporters in names.items():
        if "otlp" not in exporters:
            continue

        def own(name: str, signal: str = signal) -> str:
            """Return the signal's own variable, or that of all signals."""
            special = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", "")
            return special.strip() or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()

        found.append(
            Target(
                signal=signal,
                protocol=settings.protocol,
                url=endpoint(settings, environ, signal),
                headers=_headers(own("HEADERS")),
                seconds=_seconds(
                    own("TIMEOUT") or settings.environment["OTEL_EXPORTER_OTLP_TIMEOUT"]
                ),
                authority=own("CERTIFICATE") or environ.get("REQUESTS_CA_BUNDLE", ""),
                certificate=own("CLIENT_CERTIFICATE"),
                key=own("CLIENT_KEY"),
            )
        )
    return found


def _of_file(settings: Settings, environ: Mapping[str, str]) -> Iterator[Target]:
    """Yield the targets that a declarative file names; none of one that cannot be read."""
    try:
        configuration = _file.read(str(settings.config_file)).configuration
    except ConfigError:
        return
    without = replace(settings, config_file=None)
    for signal, part in _PARTS.items():
        for each in _file.otlp(getattr(configuration, part)):
            grpc = "Grpc" in type(each).__name__
            protocol = "grpc" if grpc else "http/protobuf"
            silent = endpoint(replace(without, protocol=protocol), environ, signal)
            pairs = {pair.name.lower(): str(pair.value or "") for pair in each.headers or ()}
            tls = each.tls
            yield Target(
                signal=signal,
                protocol=protocol,
                url=each.endpoint or silent,
                headers={**_headers(each.headers_list or ""), **pairs},
                seconds=_seconds(str((each.timeout or 3000) / 1000)),
                authority=getattr(tls, "ca_file", None) or environ.get("REQUESTS_CA_BUNDLE", ""),
                certificate=getattr(tls, "cert_file", None) or "",
                key=getattr(tls, "key_file", None) or "",
            )


def _headers(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {unquote(key.strip()).lower(): unquote(value.strip()) for key, _, value in pairs}


def _seconds(text: str) -> float:
    try:
        return min(max(float(text), 0.1), 5.0)
    except ValueError:
        return 3.0


def _authorities() -> str | None:
    """Return the file of the authorities that requests trusts; None for Python's own."""
    try:
        import certifi  # noqa: PLC0415 - comes with the OTLP/HTTP exporter
    except ImportError:
        return None
    return certifi.where()
