# SPDX-License-Identifier: Apache-2.0
"""
Follow the way to the Collector step by step: name, port, encryption, path, token.

An exporter sees one failure for many causes. Here each step is taken by itself, so that the
one that fails can be named. What is sent is an empty export, which a Collector accepts and
forgets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from otel_setup._report import without_password
from otel_setup.doctor import answers
from otel_setup.doctor.findings import Finding, failure, warning
from otel_setup.doctor.target import Target

_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
#: More of an answer is not read.
_AT_MOST = 100_000


def check(target: Target) -> Finding:
    """Return how far *target* can be reached, and what stops at the first step that fails."""
    if proxy := _proxy(target):
        return warning(
            "connection.proxy",
            _about(target),
            f"a variable sends this through the proxy {without_password(proxy)}, which is not "
            "looked into",
            f"Add {target.address[0]} to NO_PROXY to send it directly, or see it arrive with "
            "--send.",
        )
    try:
        socket.getaddrinfo(*target.address, type=socket.SOCK_STREAM)
    except OSError as error:
        return _failed(
            target,
            "dns",
            f"the name {target.address[0]!r} cannot be resolved ({_words(error)})",
            f"Correct the host in {_VARIABLE}, or the DNS of this machine.",
        )
    try:
        connection = target.connect()
    except OSError as error:
        return _unreachable(target, error)
    with connection:
        if target.protocol == "grpc":
            from otel_setup.doctor import grpc_connection  # noqa: PLC0415 - needs an extra

            return grpc_connection.check(target)
        return _encrypted(target, connection) if target.secure else _ask(target, connection)


def _unreachable(target: Target, error: OSError) -> Finding:
    host, port = target.address
    if isinstance(error, ConnectionRefusedError):
        return _failed(
            target,
            "refused",
            f"nothing listens on {host}:{port} (connection refused)",
            f"Start the Collector, or correct host and port in {_VARIABLE}.",
        )
    if isinstance(error, TimeoutError):
        return _failed(
            target,
            "timeout",
            f"{host}:{port} does not answer within {target.seconds:g} s; a firewall drops the "
            "packets, or the machine is off",
            f"Open port {port} on the way to {host}, or correct {_VARIABLE}.",
        )
    return _failed(
        target,
        "unreachable",
        f"{host}:{port} cannot be reached ({_words(error)})",
        f"Correct {_VARIABLE}, or the route to {host}.",
    )


def _encrypted(target: Target, connection: socket.socket) -> Finding:
    host, port = target.address
    try:
        context = target.tls()
    except OSError as error:
        files = ", ".join(filter(None, (target.authority, target.certificate, target.key)))
        return _failed(
            target,
            "tls",
            f"the certificate files cannot be used: {files} ({_words(error)})",
            "Correct OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY: PEM "
            "files that this user can read.",
        )
    try:
        secured = context.wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        return _failed(
            target,
            "tls",
            f"the certificate of {host}:{port} is not trusted ({error.verify_message})",
            "Name the authority that signed it in OTEL_EXPORTER_OTLP_CERTIFICATE (a PEM file), "
            "or use the name that the certificate has.",
        )
    except ssl.SSLError as error:
        if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
            return _failed(
                target,
                "tls",
                f"{host}:{port} speaks no TLS, and the address begins with https",
                f"Write http:// in {_VARIABLE}, or switch TLS on in the Collector's receiver.",
            )
        return _failed(
            target,
            "tls",
            f"{host}:{port} refuses the TLS connection ({_words(error)})",
            "See which TLS versions and client certificates the Collector's receiver wants "
            "(OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, _CLIENT_KEY).",
        )
    except OSError as error:
        return _silent(target, error)
    with secured:
        return _ask(target, secured)


def _ask(target: Target, connection: socket.socket) -> Finding:
    try:
        connection.sendall(_request(target))
        first = b"" if isinstance(connection, ssl.SSLSocket) else _first(connection)
        if (other := answers.other_protocol(first)) and not first.startswith(b"HTTP/"):
            return _failed(target, other.check, other.seen, other.fix)
        response = HTTPResponse(connection)
        response.begin()
        body = response.read(_AT_MOST)
    except ssl.SSLError as error:
        # TLS 1.3 tells only now that it wanted a client's certificate.
        return _failed(
            target,
            "tls",
            f"the Collector ended the TLS connection ({_words(error)})",
            "Name the client's certificate in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and its key "
            "in OTEL_EXPORTER_OTLP_CLIENT_KEY.",
        )
    except (OSError, HTTPException) as error:
        return _silent(target, error)
    answer = answers.Answer(response.status, response.getheader("Content-Type", ""), body)
    if where := response.getheader("Location", ""):
        answer = answers.Answer(response.status, where, body)
    found = answers.judge(target, _about(target), answer)
    if found.check in {"connection.path", "connection.not_otlp"} and _is_prometheus(target):
        return _failed(
            target,
            "not_otlp",
            f"what answers on {target.address[0]}:{target.address[1]} is Prometheus",
            f"Let {_VARIABLE} be the Collector's (port 4318), and let the Collector write to "
            "Prometheus.",
        )
    return found


def _is_prometheus(target: Target) -> bool:
    """Ask what only Prometheus answers in that way."""
    request = f"GET /-/ready HTTP/1.0\r\nHost: {target.address[0]}\r\n\r\n".encode("latin-1")
    try:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(target.connect())
            if target.secure:
                name = target.address[0]
                connection = stack.enter_context(
                    target.tls().wrap_socket(connection, server_hostname=name)
                )
            connection.sendall(request)
            response = HTTPResponse(connection)
            response.begin()
            return response.read(200).startswith(b"Prometheus Server is")
    except (OSError, HTTPException):
        return False


def _request(target: Target) -> bytes:
    host, port = target.address
    parts = urlsplit(target.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {
        "host": f"{host}:{port}",
        "user-agent": "otel-setup-doctor",
        "content-type": "application/x-protobuf",
        **{key: value for key, value in target.headers.items() if key != "content-length"},
        "content-length": "0",
        "connection": "close",
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _first(connection: socket.socket) -> bytes:
    """Return the first bytes of the answer, which stay to be read."""
    return connection.recv(16, socket.MSG_PEEK)


def _silent(target: Target, error: Exception) -> Finding:
    host, port = target.address
    if isinstance(error, TimeoutError):
        return _failed(
            target,
            "timeout",
            f"{host}:{port} takes the connection and does not answer within {target.seconds:g} s",
            "Look at the Collector: it hangs or is overloaded; or another program has that port.",
        )
    return _failed(
        target,
        "not_otlp",
        f"{host}:{port} closes the connection without an answer ({_words(error)})",
        f"Correct the port in {_VARIABLE}: 4318 is the usual one for http/protobuf, 4317 for "
        "grpc. A receiver with TLS needs https://.",
    )


def _failed(target: Target, step: str, seen: str, fix: str) -> Finding:
    return failure(f"connection.{step}", _about(target), seen, fix)


def _about(target: Target) -> str:
    return f"{target.signal} to {target.shown}"


def _proxy(target: Target) -> str:
    if target.protocol == "grpc" or proxy_bypass(target.address[0]):
        return ""
    proxies = getproxies()
    return proxies.get("https" if target.secure else "http") or proxies.get("all") or ""


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
