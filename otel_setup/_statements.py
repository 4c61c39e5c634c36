# SPDX-License-Identifier: Apache-2.0
"""
Statements of databases without their values.

A program that joins a value into its SQL, instead of giving it as a parameter, would send
it to everybody who reads traces. Placeholders stay, so statements can still be told apart.
"""

from __future__ import annotations

import re

from otel_setup._secrets import lowered

HIDDEN = "?"

_TOKENS = r"""
      (?P<comment>--[^\r\n]*+|/\*.*?(?:\*/|\Z))
    | (?P<text>\b[ebxnu]&?'(?:[^'\\]|\\.|'')*+'? | '(?:%s|'')*+'?)
    | (?P<dollar>\$(?P<tag>(?:[a-z_]\w{0,30})?)\$.*?(?:\$(?P=tag)\$|\Z))
    | (?P<quoted>"(?:%s|"")*+"?)
    | (?P<name>[@:$%%?#]*+[a-z_][\w$]*+ | [@:$%%?]++\w*+ | `[^`]*+`?)
    | (?P<number>[-+]?(?:0x[0-9a-f]++|\d[\d_]*+(?:\.\d*+)?(?:e[-+]?\d++)?|\.\d++))
"""
_FLAGS = re.IGNORECASE | re.DOTALL | re.VERBOSE
_STANDARD = re.compile(_TOKENS % ("[^']", '[^"]'), _FLAGS)
#: With the backslash of MySQL.
_ESCAPED = re.compile(_TOKENS % (r"[^'\\]|\\.", r"[^\"\\]|\\."), _FLAGS)
#: A text in double quotes behind one of these is a value, also where it may be a name.
_COMPARED = re.compile(r"(?:[=<>~]|\blike|\bin\s?\()\s{0,8}\Z", re.IGNORECASE)
#: Systems that take a text in double quotes for a value.
_DOUBLE_QUOTES = frozenset({"mysql", "mariadb", "sqlite", "mssql", "microsoft.sql_server"})
#: Systems whose commands are a word and values.
_COMMANDS = frozenset({"redis", "memcached", "valkey"})
_VERB = re.compile(
    r"(?:select\s|insert\s{1,8}into\s|update\s|delete\s{1,8}from\s|values\s{0,8}\(|where\s)"
    # To the next paragraph or line of a stack.
    r"[^\n]*+(?:\n(?!\s{0,8}\n|\s{1,8}file\s)[^\n]*+)*+"
)
_LITERAL = re.compile(r"'(?:[^']|'')*+'?|(?<=[=(,\s])\d[\d.]*+(?![\w.])")


def hide(statement: str, system: object = "") -> str:
    """Return the *statement* of a database of the kind *system* with ``?`` for its values."""
    kind = str(system).lower()
    if kind in _COMMANDS:
        verb, space, values = statement.partition(" ")
        return verb + space + " ".join(HIDDEN for _value in values.split(" ")[:8] if values)
    double = kind in _DOUBLE_QUOTES

    def hidden(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind == "name":
            return match[0]
        if kind == "comment":
            return "--" if match[0].startswith("--") else "/**/"
        if kind == "quoted" and not double:
            before = match.string[max(0, match.start() - 16) : match.start()]
            return HIDDEN if _COMPARED.search(before) else match[0]
        if kind == "number" and match[0][0] in "+-":
            return match[0][0] + HIDDEN
        return HIDDEN

    return (_ESCAPED if double else _STANDARD).sub(hidden, statement)


def hide_in_text(text: str) -> str:
    """Return free text without the values of the statements in it, to their paragraph's end."""
    shown = []
    done = 0
    for match in _VERB.finditer(lowered(text)):
        start, end = match.span()
        shown += [text[done:start], _LITERAL.sub(HIDDEN, text[start:end])]
        done = end
    return "".join((*shown, text[done:])) if done else text
