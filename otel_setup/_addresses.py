# SPDX-License-Identifier: Apache-2.0
"""
URLs, paths and query strings without what they carry for one reader only.

The values of a query are dropped and its keys stay, since nobody can list all the keys
that carry a secret. User and password go, and so do segments of a path that look like a
key, or follow a word such as ``reset``. The key of an object in S3 may name a person.
"""

from __future__ import annotations

import re

from otel_setup._secrets import LONG, REDACTED, looks_random

#: Schemes whose addresses may have an ``@`` in their path; for others it belongs to a password.
_WEB = frozenset({"http", "https", "ws", "wss", "s3", "git", "ssh", "file", "ftp", "sftp"})
_HOSTS = re.compile(r"(?:[\w.~%-]*|\[[0-9a-fA-F:.%]*\])(?::\d*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}\Z")
#: Object storage of AWS: the bucket is in the host, or the first segment of the path.
_S3_BUCKET = re.compile(
    r"[\w.-]{1,255}\.s3[\w.-]{0,64}\.amazonaws\.com(?:\.cn)?(?::\d+)?", re.IGNORECASE
)
_S3_HOST = re.compile(r"s3[\w.-]{0,64}\.amazonaws\.com(?:\.cn)?(?::\d+)?", re.IGNORECASE)
_SIGNED = ("x-amz-signature", "x-amz-credential", "awsaccesskeyid", "x-goog-signature")
#: The segment after one of these lets its reader in.
DOORS: tuple[str, ...] = (
    *("token", "passw", "reset", "invit", "verif", "confirm", "activat", "magic", "unsubscribe"),
    *("secret", "session", "signed", "otp"),
)
_DOOR = re.compile("|".join(DOORS))
_SUSPECT = re.compile("|".join(("[;?#]", *DOORS)))
_LONGEST_NAME = 40
_SHORTEST_KEY = 4


class Addresses:
    """Cleans addresses; values of the query parameters *kept* stay unless *secret* finds them."""

    def __init__(self, secret: re.Pattern[str], kept: frozenset[str] = frozenset()) -> None:
        self._secret = secret
        self._kept = kept

    def url(self, scheme: str, rest: str) -> str:
        """Return *rest*, what stands behind ``scheme://``, without secrets."""
        cut = _first(rest, "?#")
        # A path may have a whole address in it, with a password of its own.
        *before, last = rest[:cut].split("://")
        shown = [self._one(scheme, part) for part in before]
        return "://".join([*shown, self._one(scheme, last + rest[cut:])])

    def _one(self, scheme: str, rest: str) -> str:
        cut = _first(rest, "/?#\\")
        at = rest.rfind("@", 0, cut)
        plain = _HOSTS.fullmatch(rest, at + 1, cut)
        if "@" in rest[cut:] and (at >= 0 or not plain or scheme.lower() not in _WEB):
            # A password with a slash in it: all up to the last @ was user and password.
            at = rest.rfind("@")
            cut = at + 1 + _first(rest[at + 1 :], "/?#\\")
        host, tail = rest[at + 1 : cut], rest[cut:]
        if at < 0 and not plain and ":" in host and "," not in host:
            return f"{REDACTED}{self.path(tail)}"  # cut off in the middle of a password
        user = f"{REDACTED}:{REDACTED}@" if at >= 0 else ""
        return user + host + self._behind(host, tail)

    def _behind(self, host: str, tail: str) -> str:
        cut = _first(tail, "?#")
        path, query = tail[:cut], tail[cut:]
        if _S3_HOST.fullmatch(host):
            bucket = path.find("/", 1)
            bucket = len(path) if bucket < 0 else bucket
        elif _S3_BUCKET.fullmatch(host) or any(name in query.lower() for name in _SIGNED):
            bucket = 0
        else:
            return self.path(tail)
        key = f"/{REDACTED}" if path[bucket:].strip("/") else path[bucket:]
        return path[:bucket] + key + self.path(query)

    def path(self, text: str) -> str:
        """Return a path, with or without a query and a fragment, without secrets."""
        cut = _first(text, "?#")
        path, tail = text[:cut], text[cut:]
        if len(path) > 1:
            path = self._segments(path)
        if not tail:
            return path
        query, mark, fragment = tail.partition("#")
        if query:
            query = "?" + self.query(query[1:])
        return path + query + mark + (self.query(fragment) if fragment else "")

    def _segments(self, path: str) -> str:
        segments = path.split("/")
        before = ""
        for at, segment in enumerate(segments):
            if len(segment) >= _SHORTEST_KEY:
                segments[at] = _segment(segment, before)
            before = segment
        return "/".join(segments)

    def query(self, text: str) -> str:
        """Return a query without its values."""
        return "&".join([self._pair(pair) for pair in text.split("&")])

    def _pair(self, pair: str) -> str:
        key, sign, value = pair.partition("=")
        if len(key) > _LONGEST_NAME or looks_random(key):
            key = REDACTED
        if not value or (key in self._kept and not self._secret.search(key)):
            return key + sign + value
        return f"{key}={REDACTED}"


def _segment(segment: str, before: str) -> str:
    name, mark, parameters = segment.partition(";")
    if mark:
        hidden = (part.partition("=")[:2] for part in parameters.split(";"))
        mark += ";".join(f"{key}={REDACTED}" if sign else key for key, sign in hidden)
    if looks_random(name) or (
        len(before) <= _LONGEST_NAME
        and any(each.isdigit() for each in name[:256])
        and name[0] not in "{<"
        and _DOOR.search(before.lower())
    ):
        name = REDACTED
    return name + mark


def _first(text: str, marks: str) -> int:
    """Return where the first of *marks* stands in *text*; its length when none does."""
    found = [at for mark in marks if (at := text.find(mark)) >= 0]
    return min(found, default=len(text))


_URL = re.compile(r"://[^\s\"<>`]*+")
_PATH = re.compile(r"(?<![^\s\"'=(\[])/[^\s\"'<>`]*+")
_PAIR = re.compile(r"(?<=[?&;])[\w.%\[\]-]{1,40}+=[^\s&#;\"'<>`]++")
_SEGMENT = re.compile(rf"(?<=/)[^\s/?#&;,:\"'<>`()]{{{LONG},}}+")


def hide_in_text(addresses: Addresses, text: str) -> str:
    """Return free text without the secrets of the addresses in it."""
    if "://" in text:
        text = _URL.sub(lambda match: _url_hidden(addresses, match), text)
    if "/" in text:
        text = _PATH.sub(lambda match: _path_hidden(addresses, match), text)
        text = _SEGMENT.sub(_segment_hidden, text)
    if "=" in text:
        text = _PAIR.sub(lambda match: addresses.query(match[0]), text)
    return text


def _path_hidden(addresses: Addresses, match: re.Match[str]) -> str:
    return addresses.path(match[0]) if _SUSPECT.search(match[0].lower()) else match[0]


def _segment_hidden(match: re.Match[str]) -> str:
    return REDACTED if looks_random(match[0]) else match[0]


def _url_hidden(addresses: Addresses, match: re.Match[str]) -> str:
    before = _SCHEME.search(match.string[max(0, match.start() - 32) : match.start()])
    # What closes a sentence or a bracket is no part of the address.
    url = match[0][3:]
    end = len(url.rstrip("'\")]}>.,;:!"))
    return f"://{addresses.url(before[0] if before else '', url[:end])}{url[end:]}"
