# SPDX-License-Identifier: Apache-2.0
"""
Who calls: requests per user, for the few users who matter, without knowing who they are.

The program says who the caller is (`set_user`), the HTTP layer opens and counts each request
(`begin`, `count`). An id becomes a pseudonym at once (HMAC-SHA256 with ``OTEL_SETUP_USER_KEY``);
it is kept nowhere, and nobody without the key can compute it or try ids out.
"""

from __future__ import annotations

import hmac
import logging
import os
import threading
from contextvars import ContextVar

from opentelemetry import metrics, trace

from otel_setup._guard import quiet
from otel_setup._tally import OTHER, Tally
from otel_setup.catalogue.entries import http
from otel_setup.instruments import Observations, is_deferred, observe
from otel_setup.settings import ConfigError, Settings

_logger = logging.getLogger("otel_setup")

_HASH = "user.hash"
_GROUP = "user.group"
#: 64 bits: among a million users, one chance in 37 million that two share a pseudonym.
_CHARACTERS = 16
#: Groups of one program; a further one is OTHER, for a label must stay bounded.
_MOST_GROUPS = 8
_LONGEST_GROUP = 64


class Caller:
    """Who sent one request; empty until the program says it."""

    __slots__ = ("group", "known", "open", "pseudonym")

    def __init__(self) -> None:
        self.open = True
        self.known = False
        #: None without a key.
        self.pseudonym: str | None = None
        self.group = ""


_current: ContextVar[Caller | None] = ContextVar("otel_setup_caller", default=None)


def begin() -> Caller:
    """
    Open a request; the HTTP layer calls it before the program's code runs.

    Threads and tasks that copy the context share the object.
    """
    caller = Caller()
    _current.set(caller)
    return caller


def set_user(user_id: str | int, *, group: str | None = None) -> None:
    """
    Say who sent the present request; call it once the user is authenticated.

    *group* is one of a few words, such as a role: it becomes a label. Outside of a request this
    does nothing. It never raises.
    """
    try:
        caller = _current.get()
        if caller is None or not caller.open or user_id is None or user_id == "":
            return
        users = _ready()
        caller.group = users.group(group)
        caller.pseudonym = users.pseudonym(user_id)
        caller.known = True
        if caller.pseudonym is not None:
            trace.get_current_span().set_attribute(_HASH, caller.pseudonym)
    except Exception:
        with quiet("taking note of a user"):
            raise


def count(caller: Caller) -> None:
    """Close the request of *caller*, and count it if its user is known; it never raises."""
    if not caller.open:
        return
    # A thread of a pool keeps its context: what it says later is about nobody's request.
    caller.open = False
    if not caller.known:
        return
    try:
        _ready().tally.add(caller.pseudonym, caller.group)
    except Exception:
        with quiet("counting a request of a user"):
            raise


class Users:
    """What this process knows about its users, as long as the global provider is the same."""

    def __init__(self, settings: Settings | None, meters: metrics.MeterProvider) -> None:
        self.meters = meters
        key = settings.user_key if settings and settings.users else None
        self._key = key.encode() if key else None
        self._most = settings.users if settings and key else 0
        self.forget()
        # What is observed through a provider that is not there yet would be observed twice.
        if not is_deferred(meters):
            observe(http.USER_REQUESTS, self.read)

    def forget(self) -> None:
        """Begin anew."""
        self._groups: set[str] = set()
        self.tally = Tally(self._most)

    def pseudonym(self, user_id: str | int) -> str | None:
        """Return who *user_id* is to the outside; None without a key."""
        if self._key is None:
            return None
        digest = hmac.digest(self._key, str(user_id).encode("utf-8", "surrogatepass"), "sha256")
        return digest[: _CHARACTERS // 2].hex()

    def group(self, name: str | None) -> str:
        """Return *name* while it is one of few, otherwise OTHER; empty when there is none."""
        if not name or name in self._groups:
            return name or ""
        if len(self._groups) >= _MOST_GROUPS or len(name) > _LONGEST_GROUP:
            return OTHER
        self._groups.add(name)
        return name

    def read(self) -> Observations:
        """Return the counts for an export."""
        return [
            (total, {_HASH: pseudonym, _GROUP: group} if group else {_HASH: pseudonym})
            for (pseudonym, group), total in self.tally.read()
        ]


_users: Users | None = None
_making = threading.Lock()


def _ready() -> Users:
    meters = metrics.get_meter_provider()
    if _users is not None and _users.meters is meters:
        return _users
    return _make(meters)


def _make(meters: metrics.MeterProvider) -> Users:
    global _users  # noqa: PLW0603 - the provider is global as well
    with _making:
        if _users is None or _users.meters is not meters:
            _users = Users(_settings(), meters)
        return _users


def _settings() -> Settings | None:
    try:
        settings = Settings.from_env()
    except ConfigError:  # reported at the start: telemetry is off
        return None
    if settings.users and not settings.user_key:
        _logger.info(
            "OTEL_SETUP_USER_KEY is not set: requests of all users are counted together. "
            "Set it to a secret of 32 characters or more, the same in all processes."
        )
    return settings


def renew() -> None:
    """Begin anew with each recording of a test: the provider is the same, what is behind is not."""
    global _users  # noqa: PLW0603 - see _make
    _users = None


def _forget() -> None:
    """Begin anew in a forked child: what its parent counted, its parent reports."""
    global _making  # noqa: PLW0603 - another thread of the parent may have held it
    _making = threading.Lock()
    if _users is not None:
        _users.forget()


os.register_at_fork(after_in_child=_forget)
