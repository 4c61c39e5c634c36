# SPDX-License-Identifier: Apache-2.0
"""
What the text of a variable may be.

Each function returns the value, or raises ValueError with the rule that the text breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

#: A token of HTTP, and the printable characters that a header in a variable may have.
_HEADER = re.compile(r"[!#-'*+.0-9A-Z^-z|~-]+[ \t]*=[ \t]*[ -!#-+\--:<-\[\]-~]*")


def boolean(text: str) -> bool:
    """Return what true or false mean."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("expected true or false")
    return text.lower() == "true"


def seconds(text: str) -> float:
    """Return a number of seconds up to an hour."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:  # noqa: PLR2004 - an hour, said in the message
        raise ValueError("expected seconds, more than 0 and at most 3600")
    return value


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return the parser of a whole number from *least* to *most*."""

    def parse(text: str) -> int:
        # Python refuses to read a number of thousands of digits, with a text of its own.
        value = int(text) if text.isdecimal() and len(text) <= len(str(most)) else least - 1
        if not least <= value <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return value

    return parse


def one_of(*known: str) -> Callable[[str], str]:
    """Return the parser of one word of *known*."""

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(f"expected {' or '.join(known)}")
        return text

    return parse


def patterns(text: str) -> tuple[str, ...]:
    """Return the regular expressions of a list."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        try:
            re.compile(part)
        except re.error as error:
            raise ValueError(f"{part!r} is no regular expression ({error})") from error
    return parts


def url(text: str) -> str:
    """Return *text* if it is an address that HTTP can reach."""
    try:
        parts = urlsplit(text)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        right = False
    if not right:
        raise ValueError("expected a URL such as http://127.0.0.1:4318")
    return text


def headers(text: str) -> str:
    """Return *text* if it is a list of headers that the SDK can read."""
    # What the SDK cannot read it would print, secrets included.
    if not all(_HEADER.fullmatch(part.strip()) for part in text.split(",") if part.strip()):
        raise ValueError("expected key=value, several with commas, other characters as %XX")
    return text


def protocol(text: str) -> str:
    """Return *text* if it is a protocol of OTLP that Python speaks."""
    if text not in {"http/protobuf", "grpc"}:
        raise ValueError("expected http/protobuf or grpc")
    return text


def exporters(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Return the parser of a list of exporters; the first of *known* is none."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        unknown = [name for name in names if name not in known]
        if unknown or ("none" in names and len(names) > 1):
            raise ValueError(f"expected none, or a list of {', '.join(known[1:])}")
        return tuple(dict.fromkeys(name for name in names if name != "none"))

    return parse
