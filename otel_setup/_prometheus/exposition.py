# SPDX-License-Identifier: Apache-2.0
"""Which of the two text formats a client wants, and how a page is written in it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client.core import Exemplar
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.utils import floatToGoString

_OPENMETRICS = "application/openmetrics-text"
#: Small pages get no smaller.
_WORTH_PACKING = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the headers of a request ask for."""

    openmetrics: bool
    packed: bool

    @classmethod
    def by(cls, accept: str, encoding: str) -> Wanted:
        """Read ``Accept`` and ``Accept-Encoding``; what cannot be read counts as not there."""
        types = _weights(accept)
        text = max((types.get(each, 0.0) for each in ("text/plain", "text/*", "*/*")), default=0.0)
        weight = types.get(_OPENMETRICS, 0.0)
        return cls(
            openmetrics=weight > 0 and weight >= text,
            packed=_weights(encoding).get("gzip", 0.0) > 0,
        )


def write(families: Iterable[Family], wanted: Wanted) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of the page."""
    text = "".join(_lines(families, openmetrics=wanted.openmetrics))
    kind = CONTENT_TYPE_LATEST if wanted.openmetrics else CONTENT_TYPE_PLAIN_0_0_4
    headers, body = {"Content-Type": kind, "Vary": "Accept, Accept-Encoding"}, text.encode()
    if wanted.packed and len(body) >= _WORTH_PACKING:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return headers, body


def _lines(families: Iterable[Family], *, openmetrics: bool) -> Iterator[str]:
    """
    Yield the same lines as prometheus_client.

    Its own writers look at each letter of each name again, which takes five times as long, and
    meanwhile the application waits for the interpreter.
    """
    for family in families:
        name, kind = family.name, family.type
        if not openmetrics:
            name += {"counter": "_total", "info": "_info"}.get(kind, "")
            kind = {"info": "gauge", "unknown": "untyped"}.get(kind, kind)
        text = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
        if openmetrics:  # in the older format a quotation mark is nothing special here
            text = text.replace('"', r"\"")
        yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        if openmetrics and family.unit:
            yield f"# UNIT {name} {family.unit}\n"
        for sample in family.samples:
            labels = _labels(sample.labels)
            shown = f"{{{labels}}}" if labels else ""
            end = _exemplar(sample.exemplar) if openmetrics and sample.exemplar else ""
            yield f"{sample.name}{shown} {number(sample.value)}{end}\n"
    if openmetrics:
        yield "# EOF\n"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items())])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _exemplar(exemplar: Exemplar) -> str:
    shown = f" # {{{_labels(exemplar.labels)}}} {number(exemplar.value)}"
    return shown if exemplar.timestamp is None else f"{shown} {exemplar.timestamp}"


@lru_cache(maxsize=4096)
def number(value: float) -> str:
    """Return *value* as Go writes it."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _weights(header: str) -> dict[str, float]:
    """Return what each choice of *header* weighs, from 0 to 1."""
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        found[name.lower()] = max(weight, found.get(name.lower(), 0.0))
    return found
