# SPDX-License-Identifier: Apache-2.0
"""
What a statement does, and to which table, read once for each text.

A text is read without a grammar: far enough to tell statements apart, and never further than
its names. What is no identifier cannot become a label, so neither can a value.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from otel_setup._statements import hide

#: What may be a label; the declared bound of the label is their number.
OPERATIONS = frozenset(
    [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "REPLACE",
        "VALUES",
        "COPY",
        "CALL",
        "DO",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT",
        "RELEASE",
        "SET",
        "SHOW",
        "LISTEN",
        "UNLISTEN",
        "NOTIFY",
        "LOCK",
        "TRUNCATE",
        "CREATE",
        "ALTER",
        "DROP",
        "EXPLAIN",
        "FETCH",
        "VACUUM",
        "ANALYZE",
        "PRAGMA",
    ]
)

#: Longer texts are read and shown to here, and not remembered.
_LONGEST = 8192
_REMEMBERED = 1024
_MOST_TOKENS = 512
_LONGEST_SUMMARY = 255
_LONGEST_NAME = 128
#: A program that makes tables as it goes would fill every label with them.
_MOST_TABLES = 300

_TOKEN = re.compile(
    r"""
      --[^\r\n]* | /\*.*?(?:\*/|\Z) | '(?:[^']|'')*'?
    | %\(\w{1,60}\)\w | [@:$%?\#]+\w*
    | (?P<name>(?:"(?:[^"]|"")*" | `[^`]*` | [^\W\d][\w$]*)
        (?:\s*\.\s*(?:"(?:[^"]|"")*" | `[^`]*` | [^\W\d][\w$]*))*)
    | (?P<mark>[(),;])
    | (?P<other>\S)
    """,
    re.VERBOSE | re.DOTALL,
)
#: In double quotes only what could stand without them: anything else may be a value.
_PLAIN = re.compile(r'["`]?([^\W\d][\w$]*)["`]?')

_DATA = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
#: Before a verb; elsewhere UPDATE and DELETE belong to a lock, a constraint or a conflict.
_STARTS = frozenset({"", "(", ")", "EXPLAIN", "ANALYZE", "VERBOSE", "AS", "UNION", "ALL"})
#: Their FROM is no list of tables.
_FUNCTIONS = frozenset({"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY", "POSITION"})
_ANNOUNCE = frozenset({"FROM", "JOIN", "INTO", "TABLE"})
#: Statements whose first name is a table.
_DIRECT = frozenset({"COPY", "TRUNCATE", "LOCK", "VACUUM", "ANALYZE"})
_BETWEEN = frozenset({"ONLY", "LATERAL", "IF", "NOT", "EXISTS", "TABLE", "FULL", "VERBOSE"})
_ENDS_LIST = frozenset({"WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "SET", "ON", "USING"})
_NO_TABLES = frozenset({"SELECT", "VALUES", "WITH", "STDIN", "STDOUT", "SET"})


class Statement:
    """A text of SQL as telemetry shows it; ``attributes`` are those of a span."""

    __slots__ = ("attributes", "operation", "summary", "table", "text")

    def __init__(self, text: str, operation: str, table: str, summary: str) -> None:
        self.text = text
        #: First word of the text, such as SELECT; '' when it is none of `OPERATIONS`.
        self.operation = operation
        self.table = table
        self.summary = summary
        self.attributes: dict[str, str] = {"db.query.text": text}
        if operation:
            self.attributes["db.operation.name"] = operation
        if table:
            self.attributes["db.collection.name"] = table
        if summary:
            self.attributes["db.query.summary"] = summary


def read(text: str, system: str) -> Statement:
    """Return what the statement *text* for a database of the kind *system* does."""
    if len(text) > _LONGEST:
        return _read(text[:_LONGEST], system)
    return _remembered(text, system)


def _read(text: str, system: str) -> Statement:
    hidden = hide(text, system)
    operation, tables, summary = _Reader(hidden).read()
    table = tables[0] if tables else ""
    return Statement(hidden, operation, table if _tables.admit(table) else "", summary)


_remembered = lru_cache(_REMEMBERED)(_read)


class _Tables:
    """The tables that may be labels: as many as come first."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self.begin_anew()
        os.register_at_fork(after_in_child=self.begin_anew)

    def begin_anew(self) -> None:
        """Have a lock that nobody holds: a thread of a parent may have held the other."""
        self._adding = threading.Lock()

    def admit(self, table: str) -> bool:
        """Tell whether *table* may be a label."""
        with self._adding:
            if table not in self._known and len(self._known) < _MOST_TABLES:
                self._known.add(table)
            return table in self._known


_tables = _Tables()


class _Reader:
    """Reads one text from its first word to its last, and remembers what it is inside of."""

    def __init__(self, text: str) -> None:
        found = islice(_TOKEN.finditer(text), _MOST_TOKENS)
        self._tokens = [match[0] for match in found if match.lastgroup]
        self._parts: list[str] = []
        self._outer: list[str] = []
        self._inner: list[str] = []
        #: Names that WITH gives to queries; they are no tables.
        self._common: set[str] = set()
        #: For each open parenthesis whether it is that of a function whose FROM is its own.
        self._open: list[bool] = []
        #: The word after which a table comes next, and how deep a list of tables goes on.
        self._announced = ""
        self._listing = -1

    def read(self) -> tuple[str, list[str], str]:
        """Return the operation, the tables of the text, outermost first, and the summary."""
        tokens = self._tokens
        first = tokens[0].upper() if tokens else ""
        if not first or first == "(":
            first = next((each.upper() for each in tokens if each != "("), "")
        operation = first if first in OPERATIONS else ""
        if operation and operation not in _DATA:
            self._parts.append(operation)
        before = ""
        for index, token in enumerate(tokens):
            word = token.upper()
            following = tokens[index + 1] if index + 1 < len(tokens) else ""
            if word == ";":
                break
            if first == "WITH" and not operation and not self._open:
                if word in _DATA:
                    operation = word
                elif word not in {"WITH", "RECURSIVE", "AS", "(", ",", "MATERIALIZED", "NOT"}:
                    self._common.add(token)
            self._take(token, word, before, following)
            if index == 0 and word in _DIRECT:
                self._announced = word
            before = word
        return operation, self._outer + self._inner, self._summary()

    def _take(self, token: str, word: str, before: str, following: str) -> None:
        if word in "(),":
            self._mark(word, before)
        elif word in _DATA and (word == "SELECT" or before in _STARTS):
            self._parts.append(word)
            self._announced = "UPDATE" if word == "UPDATE" else ""
            self._listing = -1
        elif word in _ANNOUNCE:
            self._announce(word, before)
        elif self._announced and word in _BETWEEN:
            pass
        elif self._announced:
            self._name(token, word, following)
            self._announced = ""
        elif word in _ENDS_LIST:
            self._listing = -1

    def _mark(self, mark: str, before: str) -> None:
        if mark == "(":
            self._open.append(before in _FUNCTIONS)
        elif mark == ")":
            del self._open[-1:]
            if len(self._open) < self._listing:
                self._listing = -1
        in_list = mark == "," and self._listing == len(self._open)
        self._announced = "FROM" if in_list else ""

    def _announce(self, word: str, before: str) -> None:
        if word == "FROM":
            in_function = bool(self._open) and self._open[-1]
            if in_function or before == "DISTINCT" or not _DATA.intersection(self._parts):
                return
            self._listing = len(self._open)
        self._announced = word

    def _name(self, token: str, word: str, following: str) -> None:
        if word in _NO_TABLES or token in self._common:
            return
        if following == "(" and self._announced in {"FROM", "JOIN"}:
            return  # a function
        parts = [_PLAIN.fullmatch(part.strip()) for part in token.split(".")]
        name = ".".join(part[1] for part in parts if part)
        if not all(parts) or len(name) > _LONGEST_NAME:
            return
        (self._inner if self._open else self._outer).append(name)
        self._parts.append(name)

    def _summary(self) -> str:
        """Return the verbs and the tables, each once behind its verb, as far as there is room."""
        shown: list[str] = []
        since: Sequence[str] = ()
        length = 0
        for part in self._parts:
            since = () if part in OPERATIONS else since
            if part in since:
                continue
            length += len(part) + 1
            if length > _LONGEST_SUMMARY:
                break
            shown.append(part)
            since = (*since, part)
        return " ".join(shown)
