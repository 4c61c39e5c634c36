# SPDX-License-Identifier: Apache-2.0
"""What all locust users share: requests named by route, errors that end only the visit."""

from __future__ import annotations

import json
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import gevent
from locust import FastHttpUser, constant, task

from services_demo.traffic.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

# What locust gives as status when there was no answer at all.
_NO_ANSWER = 0


class StepFailedError(Exception):
    """A request was not answered as the flow needs: the user ends this visit and comes again."""


class Answer(NamedTuple):
    """The status and the JSON object of a response."""

    status: int
    body: dict[str, Any]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The rows of a list response."""
        return list(self.body.get("items", []))


class CompanyUser(FastHttpUser):
    """Somebody at a browser: makes visits, and comes again after a pause whatever happens."""

    abstract = True
    wait_time = constant(0)
    connection_timeout = 5.0
    network_timeout = 30.0
    plan: ClassVar[Plan] = Plan()
    numbers: ClassVar[Iterator[int]]

    def __init_subclass__(cls) -> None:
        """Number the users of each class from 1, so that their names and random numbers repeat."""
        super().__init_subclass__()
        cls.numbers = count(1)

    def on_start(self) -> None:
        """Give each user its own random numbers: its choices do not depend on the others."""
        self.number = next(type(self).numbers)
        self.random = Random(f"{self.plan.seed} {type(self).__name__} {self.number}")
        self.token = ""

    def visit(self) -> None:
        """What this user does from coming to leaving."""
        raise NotImplementedError

    @task
    def come(self) -> None:
        """Make one visit; after a failed one stay away for a moment, as a person would."""
        try:
            self.visit()
        except StepFailedError:
            self.pause(2.0, 5.0)

    def pause(self, shortest: float, longest: float) -> None:
        """Let some seconds pass, as people do between two clicks."""
        gevent.sleep(self.random.uniform(shortest, longest))

    def get(self, path: str, *, route: str = "", expected: tuple[int, ...] = ()) -> Answer:
        """Read something; `route` is its name in the statistics, if the path holds an id."""
        return self._call("GET", path, route=route, expected=expected)

    def post(
        self,
        path: str,
        *,
        route: str = "",
        expected: tuple[int, ...] = (),
        json: object = None,
        data: bytes = b"",
    ) -> Answer:
        """Change something; a status in `expected` is part of the flow and no error."""
        return self._call("POST", path, route=route, expected=expected, json=json, data=data)

    def delete(self, path: str) -> Answer:
        """Remove something."""
        return self._call("DELETE", path)

    def _call(
        self,
        method: str,
        path: str,
        *,
        route: str = "",
        expected: tuple[int, ...] = (),
        **request: Any,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with self.client.request(
            method, path, name=route or path, catch_response=True, headers=headers, **request
        ) as response:
            answer = Answer(response.status_code, _json_object(response.content))
            if answer.status in expected:
                response.success()
                return answer
            if response.ok and answer.status != _NO_ANSWER:
                return answer
            failure = _what_failed(answer, response)
            response.failure(failure)
        raise StepFailedError(failure)


def _json_object(content: bytes | None) -> dict[str, Any]:
    try:
        parsed = json.loads(content or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _what_failed(answer: Answer, response: object) -> str:
    """Say the kind of error without ids or free text: locust keeps one row for every message."""
    if answer.status == _NO_ANSWER:
        error = getattr(response, "error", None)
        return f"no answer, {type(error).__name__}: {error}" if error else "no answer"
    error = answer.body.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return f"HTTP {answer.status} {code or 'without an error code'}"
