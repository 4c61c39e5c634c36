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


def milliseconds(text: str) -> int:
    """Return a number of milliseconds from 100 to an hour."""
    if not text.isdecimal() or not 100 <= int(text) <= 3_600_000:  # noqa: PLR2004 - said in the message
        raise ValueError("expected whole milliseconds from 100 to 3600000")
    return int(text)


def port(text: str) -> int:
    """Return a TCP port."""
    if not text.isdecimal() or not 0 < int(text) < 65536:  # noqa: PLR2004 - the range of TCP ports
        raise ValueError("expected a port from 1 to 65535")
    return int(text)


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
