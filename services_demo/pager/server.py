# SPDX-License-Identifier: Apache-2.0
"""The pager over HTTP: Alertmanager writes, people and scripts read."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from services_demo.pager import links, page, runbooks
from services_demo.pager.heart import Heart
from services_demo.pager.inbox import Inbox
from services_demo.pager.notification import BadWebhookError, Notification, parse
from services_demo.pager.settings import Settings
from services_demo.pager.traces import Finder

log = logging.getLogger(__name__)

_LARGEST_BODY = 1_000_000
_LARGEST_DISCARDED = 50_000_000
_PART = 65_536
_RUNBOOKS = "/runbooks/"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


class _RefusedError(Exception):
    """A request that cannot be done; the message says why and what can."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Pager(ThreadingHTTPServer):
    """Listens as soon as it is made; `serve_forever` answers."""

    daemon_threads = True
    # A storm of alerts comes in many connections at once.
    request_queue_size = 64

    def __init__(self, settings: Settings) -> None:
        super().__init__((settings.host, settings.port), _Handler)
        self.settings = settings
        self.inbox = Inbox(settings.keep, settings.state_file)
        self.heart = Heart(settings.heartbeat_seconds, time.time())
        self._finder = Finder(settings.prometheus_url, self.inbox.add_traces)

    def tell(self, told: list[Notification]) -> None:
        """Keep and log what is new in *told*; traces are looked for afterwards."""
        now = time.time()
        for each in self.inbox.take(told, now):
            log.info("%s", _line(each))
        for each in told:
            # Also of what goes on: it may have failed once more, in another trace.
            self._finder.want(each)

    def beat(self, told: list[Notification]) -> bool:
        """Count *told* as a heartbeat if something in it fires: an end is no sign of life."""
        alive = any(each.firing for each in told)
        if alive:
            self.heart.beat(time.time())
        return alive

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - upstream's
        """Say in one line that an answer could not be sent."""
        log.warning("a client went away: %r", sys.exception())

    def service_actions(self) -> None:
        """Say, twice a second, whether the monitoring has fallen silent."""
        self.heart.say(time.time())


class _Handler(BaseHTTPRequestHandler):
    """Answers one request and closes, so that no idle client holds a thread."""

    server: Pager
    server_version = "pager"
    sys_version = ""
    #: Seconds for a client that sends its request bit by bit.
    timeout = 10

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name upstream
        """Keep the log for notifications."""
        log.debug(format, *args)

    def _answer(self, handle: Callable[[str], tuple[str, str]]) -> None:
        status = HTTPStatus.OK
        try:
            kind, text = handle(unquote(urlsplit(self.path).path))
        except _RefusedError as refused:
            status, kind, text = refused.status, _JSON, _error(refused.status, str(refused))
        except BadWebhookError as error:
            log.warning("%s refused: %s", self.path, error)
            status, kind = HTTPStatus.BAD_REQUEST, _JSON
            text = _error(status, str(error))
        except TimeoutError:
            status, kind = HTTPStatus.REQUEST_TIMEOUT, _JSON
            text = _error(status, f"The body did not come within {self.timeout} s.")
        except runbooks.UnknownRunbookError as unknown:
            status, kind = HTTPStatus.NOT_FOUND, _HTML
            text = page.no_runbook(str(unknown), unknown.known)
        except Exception:
            log.exception("%s %s failed", self.command, self.path)
            status, kind = HTTPStatus.INTERNAL_SERVER_ERROR, _JSON
            text = _error(status, "The pager failed; its log says how.")
        self._send(status, kind, text)

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        # Half of a surrogate pair may come out of JSON, and cannot be sent.
        body = text.encode("utf-8", "backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _get(self, path: str) -> tuple[str, str]:
        pager, now = self.server, time.time()
        if path == "/":
            listed = pager.inbox.newest_first()
            return _HTML, page.notifications(listed, pager.heart, pager.settings, now)
        if path == "/healthz":
            return _TEXT, "ok\n"
        if path == "/api/notifications":
            return _JSON, json.dumps(_state(pager, now), indent=2)
        if path.startswith(_RUNBOOKS):
            return _HTML, self._runbook(path.removeprefix(_RUNBOOKS))
        raise _RefusedError(
            HTTPStatus.NOT_FOUND,
            f"{path!r}: there is no such page. There are /, /api/notifications, /healthz and "
            "/runbooks/<name of an alert>.",
        )

    def _runbook(self, name: str) -> str:
        settings = self.server.settings
        try:
            return page.runbook(name, runbooks.section(name, settings))
        except OSError as error:
            raise _RefusedError(
                HTTPStatus.NOT_FOUND,
                f"PAGER_RUNBOOKS={str(settings.runbooks)!r} cannot be read: {error.strerror}.",
            ) from error

    def _post(self, path: str) -> tuple[str, str]:
        body = self._body()
        if path not in {"/alerts", "/heartbeat"}:
            raise _RefusedError(
                HTTPStatus.NOT_FOUND, f"{path!r}: post to /alerts or to /heartbeat."
            )
        told = parse(body)
        if path == "/alerts":
            self.server.tell(told)
            return _JSON, json.dumps({"taken": len(told)})
        return _JSON, json.dumps({"alive": self.server.beat(told)})

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _RefusedError(
                HTTPStatus.LENGTH_REQUIRED, f"Content-Length={length!r}: expected a whole number."
            )
        if int(length) > _LARGEST_BODY:
            self._discard(int(length))
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a body of {length} bytes: at most {_LARGEST_BODY} are taken. "
                "Set max_alerts in Alertmanager's webhook_configs.",
            )
        return self.rfile.read(int(length))

    def _discard(self, length: int) -> None:
        """Read a body that is not wanted: who is still sending does not hear the answer."""
        left = min(length, _LARGEST_DISCARDED)
        while left > 0 and (part := self.rfile.read(min(left, _PART))):
            left -= len(part)


def _state(pager: Pager, now: float) -> dict[str, Any]:
    return {
        "heartbeat": {"state": pager.heart.state(now), "age_seconds": pager.heart.age(now)},
        "notifications": [
            {**each.to_json(), "links": asdict(links.of(each, pager.settings))}
            for each in pager.inbox.newest_first()
        ],
    }


def _error(status: HTTPStatus, message: str) -> str:
    return json.dumps({"error": {"code": status.name.lower(), "message": message}})


def _line(each: Notification) -> str:
    """Return one line for the log, whatever the texts hold."""
    moment = each.received_at if each.firing else each.resolved_at
    late = moment - (each.starts_at if each.firing else each.ends_at or moment)
    summary = " ".join(each.annotations.get("summary", "").split())
    line = (
        f"{each.status} {each.severity} {each.name} for {each.team}, "
        f"told after {max(0.0, late):.1f} s: {summary}"
    )
    return "".join(char if char.isprintable() else "?" for char in line)
