# SPDX-License-Identifier: Apache-2.0
"""Ask a running Prometheus; the standard library is enough for that."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

T = TypeVar("T")
R = TypeVar("R")

#: Requests at one time: the check must not be felt by those who look at dashboards.
AT_ONCE = 4
#: More series of one metric are not read.
SERIES_AT_MOST = 20_000


class NotReachableError(Exception):
    """Prometheus does not answer; the message names the address and the fix."""


class RefusedError(Exception):
    """Prometheus answers that a request is wrong; the message is its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series with its labels (without the name) and its value now."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """One series over time: seconds since 1970 and values."""

    labels: dict[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """
    A running Prometheus at *url*; a request ends after *seconds*.

    Raises:
        ValueError: the address is none.
    """

    url: str
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in {"http", "https"} or not urlsplit(self.url).hostname:
            raise ValueError(
                f"address of Prometheus {self.url!r}: expected scheme and host. "
                "Give it like http://127.0.0.1:9090."
            )

    def get(self, path: str, **parameters: str) -> Any:
        """
        Return the data of ``/api/v1/<path>``.

        Raises:
            NotReachableError: there is no Prometheus, or it does not answer in time.
            RefusedError: it does not accept the request.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self._ask(urllib.request.Request(self._address(path) + query))  # noqa: S310 - checked above

    def post(self, path: str, **parameters: str) -> Any:
        """Return the same for parameters that may be too long for an address."""
        body = urlencode(parameters).encode()
        return self._ask(urllib.request.Request(self._address(path), data=body))  # noqa: S310

    def names(self, start: float, end: float) -> list[str]:
        """Return the names of all series of that time; of the last hours there may be more."""
        found = self.get("label/__name__/values", start=str(start), end=str(end))
        return [str(name) for name in found]

    def query(self, expression: str) -> list[Sample]:
        """Return the series of *expression* now, without those that are no single number."""
        data = self.post("query", query=expression, limit=str(SERIES_AT_MOST))
        if data["resultType"] == "scalar":
            return [Sample("", {}, float(data["result"][1]))]
        return [
            Sample(
                row["metric"].get("__name__", ""),
                {key: value for key, value in row["metric"].items() if key != "__name__"},
                float(row["value"][1]),
            )
            for row in data["result"]
            if "value" in row
        ]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Line]:
        """Return the series of *expression* from *start* to *end*, a value each *step* seconds."""
        data = self.post(
            "query_range", query=expression, start=str(start), end=str(end), step=str(step)
        )
        return [
            Line(
                {key: value for key, value in row["metric"].items() if key != "__name__"},
                tuple(float(time) for time, _ in row["values"]),
                tuple(float(value) for _, value in row["values"]),
            )
            for row in data["result"]
            if "values" in row
        ]

    def parse(self, expression: str) -> dict[str, Any]:
        """Return the syntax tree of *expression*; Prometheus 3 and newer can do that."""
        return dict(self.post("parse_query", query=expression))

    def _address(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/api/v1/{path}"

    def _ask(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as answer:  # noqa: S310
                body = _json(answer.read())
        except urllib.error.HTTPError as error:
            body = _json(error.read())
            if body is None:
                raise self._not_reachable(f"HTTP {error.code} without a reason") from error
        except (OSError, HTTPException) as error:
            raise self._not_reachable(str(getattr(error, "reason", error))) from error
        if not isinstance(body, dict) or "status" not in body:
            raise self._not_reachable("what answers is not Prometheus")
        if body["status"] != "success":
            raise RefusedError(str(body.get("error")))
        return body.get("data")

    def _not_reachable(self, reason: str) -> NotReachableError:
        return NotReachableError(
            f"Prometheus at {self.url} does not answer: {reason}. "
            "Is it running, and is the address right? Give it with --prometheus URL."
        )


def side_by_side(ask: Callable[[T], R], each: Iterable[T]) -> list[R]:
    """Return ``ask(x)`` for each x, in order; a few at one time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, each))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
