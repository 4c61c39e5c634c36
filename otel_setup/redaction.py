# SPDX-License-Identifier: Apache-2.0
"""
Keep secrets out of what leaves the process.

Hidden are, whatever recorded them:

- values under the name of a secret: password, token, api_key, authorization, cookie,
  session, signature and the like (`otel_setup._secrets.PARTS` and ``WHOLE``), as attribute,
  header, query parameter, ``name=value``, ``"name": "value"`` or option of a command;
- values with the shape of a secret: Bearer and Basic credentials, JSON Web Tokens, access
  keys of AWS, PEM blocks;
- of an address: user and password, every value of the query, segments of the path that
  look like a key or follow a word such as ``reset``;
- values in SQL, parameters of queries, values that PostgreSQL repeats in its messages;
- keys of objects in S3, unless ``OTEL_SETUP_S3_KEYS=show``.

What is hidden becomes ``REDACTED``, in SQL ``?``. A word that no rule knows stays: what
must never leave is not to be recorded.

To hide more, name it in ``OTEL_SETUP_SECRET_NAMES``, or decide yourself::

    def decide(name: str, value: str) -> str | None:
        if name == "aws.s3.key":
            return value  # keys of this company name no people
        return None  # as usual

    setup(redact=decide)

*decide* runs on the export thread, for each text that would leave. It gets the text as it
was recorded, under the attribute's name, or ``span.name``, ``span.status``, ``event.name``,
``log.body``. What it returns is sent; where it raises, ``REDACTED`` is. A `Redactor` of your
own can help: ``setup(redact=Redactor(kept_parameters=["page"]).attribute)`` shows the values
of one query parameter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from otel_setup import _addresses, _secrets, _statements
from otel_setup._kinds import KINDS, PARAMETERS, S3_KEYS, Kind
from otel_setup._secrets import REDACTED, Rule

__all__ = ["REDACTED", "Decide", "Redactor", "Rule", "decide_with"]

#: Returns what is sent in place of a text under a name; None leaves it to the rules.
Decide = Callable[[str, str], str | None]

_decide: Decide | None = None


def decide_with(decide: Decide | None) -> None:
    """Ask *decide* from now on, in this process, before the rules; None asks nobody."""
    global _decide  # noqa: PLW0603 - exporters of a process have one rule
    _decide = decide


#: No text without one of these, in lower case, has anything to hide.
_SUSPECT = "|".join(
    (
        *("\\?", "&", ";", "=", "://", r"/[^\s/]{20}", "eyj", "a[ks]ia", "-----"),
        *(*_secrets.STEMS, *_addresses.DOORS, "bearer", "basic", "digest", "negotiate"),
        *("select", "insert", "update", "delete", "values", "where"),
        *("contains", "parameters", "invalid input"),
    )
)
_OPTION = re.compile(r"(?P<name>(?<![\w-])--?[\w-]{1,60}+)(?P<space>\s{1,4})(?P<value>[^\s-]\S*+)")
_LONGEST = 65_536
_DEEPEST = 8
#: What one rule hides may be what kept another from finding its own.
_PASSES = 8
_CACHED = 4096
_CACHED_LENGTH = 256
#: Names of what is no attribute, and has no limit but the one above.
_NO_ATTRIBUTES = frozenset({"span.name", "span.status", "event.name", "log.body"})
_NUMBERS = frozenset({int, float, bool, type(None)})


class Redactor:
    """
    Hides what must not leave the process; see the module.

    *secret_names* are more names of secrets, *kept_parameters* names of query parameters
    whose values may be shown, *s3_keys* says that keys of objects in S3 may be. Values of
    attributes are cut after *limit* characters. The redactor of the process *asks* what
    `decide_with` was given. No method raises.
    """

    def __init__(
        self,
        secret_names: Iterable[str] = (),
        *,
        kept_parameters: Iterable[str] = (),
        s3_keys: bool = False,
        limit: int | None = None,
        asks: bool = False,
    ) -> None:
        names = tuple(secret_names)
        self._limit = limit
        self._asks = asks
        self._secret = _secrets.named(names)
        self._rules = _secrets.rules(names)
        self._addresses = _addresses.Addresses(
            _secrets.named((*names, *_secrets.PARAMETERS)), frozenset(kept_parameters)
        )
        own = (re.escape(stem) for stem in _secrets.stems(names))
        self._suspect = re.compile("|".join((_SUSPECT, *own)))
        self._shown = S3_KEYS if s3_keys else ()
        self._kinds: dict[str, Kind] = {}
        #: What was looked at and found clean: most values come again and again.
        self._clean: set[tuple[str, str]] = set()

    def changes(self, attributes: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return those of *attributes* that may not leave as they are, as they may."""
        changed: dict[str, Any] = {}
        if not attributes:
            return changed
        kinds, clean = self._kinds, self._clean
        decide = _decide if self._asks else None
        system = attributes.get("db.system.name") or attributes.get("db.system") or ""
        for name, value in attributes.items():
            if type(value) is str:
                if decide is None and (name, value) in clean:
                    continue
            elif type(value) in _NUMBERS and kinds.get(name) is Kind.TEXT:
                continue
            shown = self.attribute(name, value, system=system)
            if shown is not value:
                changed[name] = shown
        return changed

    def attribute(self, name: str, value: Any, *, system: object = "") -> Any:
        """
        Return *value* of the attribute *name* as it may leave the process.

        *system* is the kind of database, for the text of a query.
        """
        try:
            if isinstance(value, str):
                return self._string(name, value, self._kind(name), system)
            return self._any(name, value, self._kind(name), 0)
        except Exception:  # noqa: BLE001 - what cannot be looked at does not leave
            return REDACTED

    def text(self, value: str) -> str:
        """Return free text, such as a message, as it may leave the process."""
        shown = self.attribute("text", value)
        return shown if isinstance(shown, str) else REDACTED

    def _kind(self, name: str) -> Kind:
        kind = self._kinds.get(name)
        if kind is None:
            if len(self._kinds) >= _CACHED:
                self._kinds.clear()
            kind = self._kinds[name] = self._kind_of(str(name)[:_CACHED_LENGTH])
        return kind

    def _kind_of(self, name: str) -> Kind:
        if name.startswith(PARAMETERS) or self._secret.search(name):
            return Kind.HIDDEN
        if name in self._shown:
            return Kind.SHOWN
        return KINDS.get(name, Kind.TEXT)

    def _any(self, name: str, value: Any, kind: Kind, depth: int) -> Any:
        """Return *value* itself when there is nothing to hide in it."""
        if isinstance(value, str):
            return self._string(name, value, kind)
        if isinstance(value, bytes | bytearray):
            text = bytes(value).decode("utf-8", "surrogateescape")
            shown = self._string(name, text, kind)
            return value if shown is text else shown.encode("utf-8", "surrogateescape")
        if isinstance(value, Mapping | Sequence):
            if depth >= _DEEPEST:
                return REDACTED
            if isinstance(value, Mapping):
                return self._mapping(value, kind, depth)
            return self._sequence(name, value, kind, depth)
        hidden = kind is Kind.HIDDEN and value is not None and not isinstance(value, bool)
        return REDACTED if hidden else value

    def _mapping(self, value: Mapping[Any, Any], kind: Kind, depth: int) -> Mapping[Any, Any]:
        shown = {}
        for key, each in value.items():
            name = str(key)
            of = kind if kind is Kind.HIDDEN else self._kind(name)
            shown[key] = self._any(name, each, of, depth + 1)
        return shown if any(shown[key] is not value[key] for key in shown) else value

    def _sequence(self, name: str, value: Sequence[Any], kind: Kind, depth: int) -> Sequence[Any]:
        shown = []
        option = False
        for each in value:
            of = Kind.HIDDEN if option and not str(each).startswith("-") else kind
            shown.append(self._any(name, each, of, depth + 1))
            option = kind is Kind.COMMAND and isinstance(each, str) and self._is_option(each)
        if all(new is old for new, old in zip(shown, value, strict=True)):
            return value
        return tuple(shown) if isinstance(value, tuple) else shown

    def _is_option(self, word: str) -> bool:
        """Tell whether the next word of a command is a secret."""
        name = word[:_CACHED_LENGTH]
        return word.startswith("-") and "=" not in word and bool(self._secret.search(name))

    def _string(self, name: str, value: str, kind: Kind, system: object = "") -> str:
        decide = _decide if self._asks else None
        decided = None if decide is None else _decided(decide, name, value)
        if decided is not None:
            return decided
        # The same text may be a secret in one place and a word in another.
        if kind is Kind.HIDDEN:
            return REDACTED if value else value
        if decide is None and (name, value) in self._clean:
            return value
        limit = None if name in _NO_ATTRIBUTES else self._limit
        shown = _cut(value, limit)
        for _time in range(_PASSES):
            before, shown = shown, self._hidden(shown, kind, system)
            if shown == before:
                break
        if limit is not None:
            shown = shown[:limit]
        if shown != value:
            return shown
        if kind is not Kind.SQL and len(value) <= _CACHED_LENGTH:
            if len(self._clean) >= _CACHED:
                self._clean.clear()
            self._clean.add((name, value))
        return value

    def _hidden(self, value: str, kind: Kind, system: object) -> str:
        if kind is Kind.SQL:
            return self._statement(value, system)
        if kind is Kind.QUERY:
            return self._addresses.query(value)
        if kind is Kind.SHOWN:
            return value
        if kind is Kind.OBJECT:
            bucket, _, key = value.lstrip("/").partition("/")
            return f"{bucket}/{REDACTED}" if key else value
        if kind is Kind.COMMAND:
            value = _OPTION.sub(self._option_hidden, value)
        if not self._suspect.search(value.lower()):
            return value
        return self._shapes(self._addresses.path(value) if kind is Kind.PATH else value)

    def _option_hidden(self, match: re.Match[str]) -> str:
        secret = self._secret.search(match["name"])
        return match["name"] + match["space"] + REDACTED if secret else match[0]

    def _statement(self, value: str, system: object) -> str:
        text = _addresses.hide_in_text(self._addresses, _statements.hide(value, system))
        for rule in self._rules:
            # The name of a column beside a placeholder is no secret.
            if not rule.named:
                text = rule.hide(text)
        return text

    def _shapes(self, text: str) -> str:
        text = _addresses.hide_in_text(self._addresses, text)
        for rule in self._rules:
            text = rule.hide(text)
        return _statements.hide_in_text(text)


def _decided(decide: Decide, name: str, value: str) -> str | None:
    """Return what *decide* makes of *value*; None leaves it to the rules."""
    try:
        shown = decide(name, value)
    except Exception:  # noqa: BLE001 - it is not ours
        return REDACTED
    return shown if shown is None or isinstance(shown, str) else REDACTED


def _cut(value: str, limit: int | None) -> str:
    """Bound what is looked at; a word that the cut goes through could hide its own shape."""
    longest = _LONGEST if limit is None else min(_LONGEST, limit + 1024)
    if len(value) <= longest:
        return value
    start = longest - 1024
    cut = value[:longest]
    words = cut[start:].rsplit(None, 1)
    return cut if len(words) == 1 else cut[:start] + words[0]
