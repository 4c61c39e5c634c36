# SPDX-License-Identifier: Apache-2.0
r"""
What a secret looks like, as data: names whose values are secrets, and shapes of values.

Every pattern either stops after a bounded number of characters or takes all that it has
looked at, so that a text is gone over once: a hostile one of 100 kB costs milliseconds.
Whoever adds a pattern keeps to that (``{0,24}+``, ``*+``), which a test checks. Patterns see
texts in lower case and begin with a letter of their own, which `re` finds ten times faster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

REDACTED = "REDACTED"

#: Names, or parts of names, whose values are secrets: ``db_password``, ``X-Auth-Token``.
PARTS: tuple[str, ...] = (
    *("password", "passwd", "passphrase", "passcode", "pwd"),
    *("secret(?!ar)", "credential", "authorization", "cookie", "signature", "jwt", "csrf", "xsrf"),
    # A number of tokens, or their kind, is none.
    "token(?!s|iz|[-_.]?(?:type|count|length|limit|usage))",
    *("api[-_.\\ ]?key", "access[-_.\\ ]?key", "account[-_.\\ ]?key", "private[-_.\\ ]?key"),
    *("signing[-_.\\ ]?key", "encryption[-_.\\ ]?key", "shared[-_.\\ ]?key", "auth[-_.\\ ]?key"),
    *("subscription[-_.\\ ]?key", "session[-_.]?(?:id|key|hash)", "sess[-_.]?(?:id|key|hash)"),
    *("x-amz-signature", "x-amz-credential", "x-amz-security-token", "awsaccesskeyid"),
    *("x-goog-signature", "x-goog-credential"),
)

#: Names whose values are secrets when nothing else belongs to the name. The second group
#: only as parameters of a query or form: an exit code is no secret, ``?code=`` is one.
WHOLE: tuple[str, ...] = ("session", "sid", "sig", "auth", "otp", "pin", "passport", "pass")
PARAMETERS: tuple[str, ...] = ("code", "key", "state", "nonce", "hash", "ticket", "assertion")

#: A text without one of these has none of the names.
STEMS: tuple[str, ...] = (
    *("pass", "pwd", "secret", "token", "credential", "key", "authorization", "cookie"),
    *("signature", "sess", "jwt", "srf"),
)

#: Not over the end of a line, behind which something else begins.
_SEPARATOR = r"[ \t\"'\\\])]{0,5}(?:=>|:=|[=:]|%3d)[ \t]{0,4}|\\{0,3}[\"'][ \t]{0,4},[ \t]{0,4}"

#: What stands behind a name: in quotes or brackets, or up to the next separator.
_VALUE = r"""
      \\{1,3}["'][^"']*+(?:["'])?
    | [bru]{0,2}"(?:[^"\\\n]|\\.)*+"?
    | [bru]{0,2}'(?:[^'\\\n]|\\.)*+'?
    | \{[^}\n]*+\}? | \[[^\]\n]*+\]? | \([^)\n]*+\)?
    | (?:bearer|basic|digest|token|negotiate|apikey)(?:[ \t]{1,4}|%20|\+)[^\s,;&]++
    | [^\s,;&]++
"""
_OPENING = re.compile(r"(?:[bBrRuU]{0,2}\\{0,3}[\"']|[\[({<])")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_CHANGE = re.compile(r"(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]|(?<=[a-z])[A-Z]")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
#: A word of that many characters is long enough to be a key.
LONG = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One shape of a secret, or of what contains one.

    ``hints``: no text without one of them has the shape. ``pattern`` is matched with a text
    in lower case, with the flags s and x; what its group ``secret`` finds is hidden if
    ``check`` says so of the text as it was. ``named``: it goes by a name, which in SQL is
    that of a column.
    """

    name: str
    hints: tuple[str, ...]
    pattern: str
    check: Callable[[str], bool] = bool
    named: bool = False
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", re.compile(self.pattern, re.DOTALL | re.VERBOSE))

    def hide(self, text: str) -> str:
        """Return *text* without the secrets of this shape."""
        lower = lowered(text)
        if not any(hint in lower for hint in self.hints):
            return text
        shown = []
        done = 0
        for start, end in self._spans(text, lower):
            shown.append(text[done:start])
            shown.append(REDACTED)
            done = end
        return "".join((*shown, text[done:])) if done else text

    def _spans(self, text: str, lower: str) -> Iterator[tuple[int, int]]:
        for match in self.compiled.finditer(lower):
            start, end = match.span("secret")
            secret = text[start:end]
            if self.check(secret):
                # Quotes and brackets around it stay.
                opening = _OPENING.match(secret)
                first = opening.end() if opening else 0
                yield start + first, start + max(first, len(secret.rstrip("\\\"')]}>")))


def lowered(text: str) -> str:
    """Return *text* in lower case, each character at its place."""
    lower = text.lower()
    # "İ" is two characters in lower case.
    return lower if len(lower) == len(text) else "".join(each.lower()[0] for each in text)


def looks_random(word: str) -> bool:
    """
    Tell whether *word* looks like a key: long, with letters among digits.

    A UUID does not: it names orders and files, and people search for it.
    """
    if len(word) < LONG or _UUID.fullmatch(word):
        return False
    word = word[:256]
    return bool(_HEX.fullmatch(word)) or len(_CHANGE.findall(word)) >= max(4, len(word) // 6)


def _has_digit(value: str) -> bool:
    # "token expired" is no secret, "token 4711abcd" is one.
    return any(each.isdigit() for each in value[:256])


def _is_credential(value: str) -> bool:
    # "basic settings" is no credential.
    return not (value.isalpha() and (value.islower() or value.istitle()))


def _is_long(value: str) -> bool:
    return len(value) >= LONG


def named(names: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of names of attributes and parameters whose values are secrets."""
    whole = "|".join((*WHOLE, *(_spelled(name) for name in names)))
    return re.compile(rf"{'|'.join(PARTS)}|(?:^|[-_.\[])(?:{whole})(?:[-_.]id|\])?$", re.IGNORECASE)


def stems(names: Iterable[str]) -> tuple[str, ...]:
    """Return what a text has that has one of *names*."""
    words = (re.split(r"[-_.\s]+", name.lower()) for name in names)
    return tuple(next(filter(None, split)) for split in words if any(split))


def _spelled(name: str) -> str:
    """Return the pattern of *name*, whatever joins its words."""
    words = re.split(r"[-_.\s]+", name.lower())
    return "[-_.]?".join(re.escape(word) for word in words if word) or r"\Z."


def rules(names: Iterable[str] = ()) -> tuple[Rule, ...]:
    """Return the rules for free text, in their order; *names* are more names of secrets."""
    names = tuple(names)
    own = (rf"{_spelled(name)}(?![^\W_])" for name in names)
    spelled = "|".join((*(rf"{part}[\w-]{{0,24}}+" for part in PARTS), *own))
    return (
        Rule(
            name="PEM block",
            hints=("-----begin",),
            pattern=r"(?P<secret>-----begin\ [a-z0-9\ ]{1,40}-----.*?"
            r"(?:-----end\ [a-z0-9\ ]{1,40}-----|\Z))",
        ),
        Rule(
            name="header line",
            hints=("authorization", "cookie"),
            pattern=r"(?:authorization|cookie2?)[ \t]{0,4}:[ \t]{0,4}"
            r"(?P<secret>(?!redacted)[^\s\"'][^\r\n\"']*+)",
            named=True,
        ),
        Rule(
            name="name and value",
            hints=(*STEMS, *stems(names)),
            pattern=rf"(?:{spelled})(?:{_SEPARATOR})(?P<secret>{_VALUE})",
            named=True,
        ),
        Rule(
            name="name and word",
            hints=STEMS,
            pattern=r"(?:password|passwd|secret|token|api[\ _-]?key|access[\ _-]?key|"
            r"credentials?|session(?:[\ _-]?id)?|cookie|signature)"
            r"[ \t]{1,3}(?:is\ |was\ |of\ )?[\"'(\[<]?(?P<secret>[\w+/=.~-]{8,}+)",
            check=_has_digit,
            named=True,
        ),
        Rule(
            name="credential of a header",
            hints=("bearer", "basic", "digest", "negotiate"),
            pattern=r"(?:bearer|basic|digest|negotiate)(?:[ \t]{1,4}|%20|\+)"
            r"(?P<secret>[^\s,;\"'<>]{6,}+)",
            check=_is_credential,
        ),
        Rule(
            name="JSON Web Token",
            hints=("eyj",),
            pattern=r"(?P<secret>eyj[\w-]*+(?:\.[\w-]*+){0,4})",
            check=_is_long,
        ),
        Rule(
            name="AWS access key",
            hints=("akia", "asia"),
            pattern=r"(?P<secret>a[ks]ia[0-9a-z]{12,20}+)",
            check=str.isupper,
        ),
        Rule(
            name="values in a message of PostgreSQL",
            hints=("key (", "contains (", "parameters: ", "for type ", "for enum "),
            pattern=r"(?:key\ \([^)]{0,200}\)=\(|failing\ row\ contains\ \(|\[parameters:\ |"
            r"invalid\ input\ \w{1,10}\ for\ (?:type|enum)\ [\w\ ]{1,40}:\ )"
            r"(?P<secret>(?!redacted)[^\r\n]++)",
        ),
        Rule(
            name="value in a message of pydantic",
            hints=("input_value=",),
            pattern=r"input_value=(?!redacted)(?P<secret>(?:(?!,\ input_type=)[^\n])++)",
        ),
    )
