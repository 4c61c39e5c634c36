# SPDX-License-Identifier: Apache-2.0
"""The name and port under which a client addressed this server. For spans only, never labels."""

from __future__ import annotations

_DEFAULT = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535
#: Host headers come from strangers: few are remembered, and only short ones.
_MOST = 256
_LONGEST = 100

_known: dict[tuple[str, str], tuple[str, int | None]] = {}


def authority(host: str, scheme: str) -> tuple[str, int | None]:
    """Return address and port of a Host header; the port of *scheme* when it names none."""
    key = (host, scheme)
    found = _known.get(key)
    if found is None:
        found = _split(host, scheme)
        if len(host) <= _LONGEST:
            if len(_known) >= _MOST:
                _known.clear()
            _known[key] = found
    return found


def _split(host: str, scheme: str) -> tuple[str, int | None]:
    address, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):  # no port; an IPv6 address has colons of its own
        return host.strip("[]"), _DEFAULT.get(scheme)
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0  # noqa: PLR2004 - digits of 65535
    return address.strip("[]"), number if 0 < number <= _HIGHEST_PORT else None
