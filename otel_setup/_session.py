# SPDX-License-Identifier: Apache-2.0
"""
The HTTP session of an OTLP exporter: as requests makes it, in time and with a reason.

The exporter reads errors for its log lines only. Here they become a few words that a person
can act on, and an answer that says no is an error like any other.
"""

from __future__ import annotations

import errno
import http.client
import io
import os
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from otel_setup._complaints import address, attempt

#: What may pass when it is sent once more; the exporter does so.
_TRY_AGAIN = {429, 502, 503, 504}
_HINTS = {
    401: "check OTEL_EXPORTER_OTLP_HEADERS",
    403: "check OTEL_EXPORTER_OTLP_HEADERS",
    404: "check the path of OTEL_EXPORTER_OTLP_ENDPOINT",
    413: "the Collector takes smaller batches only: lower OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
}


class Session(requests.Session):
    """Notes in `attempt` why a request failed."""

    def __init__(self) -> None:
        super().__init__()
        # Without it requests imports the reader of .netrc for every request, and a child that
        # is forked meanwhile waits for the lock of that import until it ends.
        self.auth = _auth_of_url
        for prefix in ("https://", "http://"):
            self.mount(prefix, _Adapter())

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send *request*; an answer that the exporter would take for a success is none."""
        where = address(str(request.url))
        try:
            response = super().send(request, **kwargs)
        except Exception as error:
            attempt.trouble = f"{reason(error, kwargs.get('timeout'))} at {where}"
            raise
        if response.status_code < requests.codes.multiple_choices:
            attempt.trouble = ""
            return response
        hint = _HINTS.get(response.status_code, "")
        attempt.trouble = (
            f"HTTP {response.status_code} {response.reason or ''}".rstrip()
            + f" from {where}"
            + (hint and f" ({hint})")
        )
        if response.status_code in _TRY_AGAIN:
            return response
        raise requests.HTTPError(attempt.trouble, response=response)


def equip(exporter: Any) -> None:
    """Give an exporter that somebody else made a session of ours, if its own is a plain one."""
    transport = getattr(getattr(exporter, "_client", None), "_transport", None)
    plain = getattr(transport, "_session", None)
    if transport is not None and type(plain) is requests.Session:
        session = Session()
        session.verify, session.cert = plain.verify, plain.cert
        transport._session = session  # noqa: SLF001 - it has no setter


def reason(error: BaseException, timeout: object = None) -> str:
    """Say in a few words why a connection or request failed; never an address or a secret."""
    within = f" within {timeout:.2g} s" if isinstance(timeout, int | float) else " in time"
    causes = list(_causes(error))
    for words in (_tls, _late, _system):
        for cause in causes:
            if said := words(cause):
                return said.replace(" in time", within)
    return type(error).__name__


def _tls(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: {cause.verify_message or 'the certificate cannot be verified'}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {(cause.reason or 'failed').lower().replace('_', ' ')}"
    return ""


def _late(cause: BaseException) -> str:
    if isinstance(cause, requests.ConnectTimeout):
        return "no connection in time"
    return "no answer in time" if isinstance(cause, requests.ReadTimeout | TimeoutError) else ""


def _system(cause: BaseException) -> str:
    number = cause.errno if isinstance(cause, OSError) else None
    if number is not None and number in errno.errorcode:
        return os.strerror(number).lower()
    if isinstance(cause, socket.gaierror):
        return "the name is not known"
    if isinstance(cause, ConnectionError):
        return "the connection was closed without an answer"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and all that lies behind it, in whatever way requests and urllib3 keep it."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]


def _auth_of_url(request: requests.PreparedRequest) -> requests.PreparedRequest:
    user, password = get_auth_from_url(str(request.url))
    return HTTPBasicAuth(user, password)(request) if user else request


class _InTime(io.RawIOBase):
    """
    What a socket receives, up to *seconds* from now.

    The timeout of a socket begins anew with each byte: a Collector that sends one now and then
    would hold an export for ever.
    """

    def __init__(self, inner: socket.SocketIO, made_of: socket.socket, seconds: float) -> None:
        super().__init__()
        self._inner = inner
        self._socket = made_of
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Limited:
    """A socket as `http.client.HTTPResponse` wants it."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner

    def makefile(self, _mode: str) -> io.BufferedReader:
        seconds = self._inner.gettimeout()
        raw = self._inner.makefile("rb", buffering=0)
        return io.BufferedReader(_InTime(raw, self._inner, 3600 if seconds is None else seconds))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Limited(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _limit(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(*args, **kwargs)
        if type(manager) is urllib3.ProxyManager:  # one for SOCKS has connections of its own
            _limit(manager)
        return manager


def _limit(manager: urllib3.PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
