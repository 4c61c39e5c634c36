# SPDX-License-Identifier: Apache-2.0
"""
Headers that pika cannot read must cost neither the connection nor the queue behind them.

A time after the year 9999 (a stamp in milliseconds is one) or tables nested a thousand deep
break pika's connection while it reads. The broker then gives the same message out again, and
nobody gets past it: https://github.com/pika/pika/issues/1698.
"""

from __future__ import annotations

import struct
from typing import Any

from pika import data

_pikas = data.decode_value

#: Kind of a value → how many bytes it takes.
_WIDTHS = {b"T": 8, b"d": 8, b"f": 4}
_WITH_LENGTH = {b"F", b"A"}


def survive_unreadable_headers() -> None:
    """Have pika give what it cannot read as a number or as bytes; once is enough."""
    data.decode_value = _decode


def _decode(encoded: bytes, offset: int) -> tuple[Any, int]:
    """Return the value at *offset* and where the next one begins."""
    try:
        value: tuple[Any, int] = _pikas(encoded, offset)
    except (ValueError, OverflowError, OSError, RecursionError):
        return _raw(encoded, offset)
    return value


def _raw(encoded: bytes, offset: int) -> tuple[Any, int]:
    kind, start = encoded[offset : offset + 1], offset + 1
    if kind in _WITH_LENGTH:
        (length,) = struct.unpack_from(">I", encoded, start)
        end = start + 4 + length
        return encoded[start + 4 : end], end
    end = start + _WIDTHS[kind]
    raw = encoded[start:end]
    return (int.from_bytes(raw, "big") if kind == b"T" else raw), end
