# SPDX-License-Identifier: Apache-2.0
"""Ask a running Prometheus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import httpx

from services_demo.stack.errors import StackError

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of an instant query, with its labels."""

    labels: dict[str, str]
    value: float


def query(url: str, expression: str) -> list[Sample]:
    """
    Evaluate *expression* now; values that are no number are left out.

    Raises:
        StackError: Prometheus does not answer or refuses the expression.
    """
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=_SECONDS)
        body: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise StackError(f"Prometheus at {url} does not answer: {error}") from error
    if body.get("status") != "success":
        raise StackError(f"Prometheus refuses {expression!r}: {body.get('error')}")
    data = body["data"]
    if data["resultType"] == "scalar":
        return [Sample({}, float(data["result"][1]))]
    samples = [Sample(row["metric"], float(row["value"][1])) for row in data["result"]]
    return [sample for sample in samples if not math.isnan(sample.value)]
