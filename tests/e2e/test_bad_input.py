# SPDX-License-Identifier: Apache-2.0
"""Bad input is refused with a clear answer, and nothing is lost or left by it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from e2e.running import Stack, poll_until
from services_demo.stack.infrastructure import S3_USER
from services_demo.traffic.order import FollowedOrder
from services_demo.traffic.shapes import model_file

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

_LIMIT_MB = 50


def _kept(stack: Stack) -> tuple[Any, ...]:
    """Everything that a refused request must leave as it was."""
    storage = boto3.client(
        "s3",
        endpoint_url=stack.url("s3"),
        aws_access_key_id=S3_USER,
        aws_secret_access_key=stack.place.secret,
        region_name="us-east-1",
    )
    objects = storage.list_objects_v2(Bucket="models").get("KeyCount")
    storage.close()
    return (
        objects,
        *stack.rows("shop", "SELECT count(*) FROM model"),
        *stack.rows("shop", "SELECT count(*) FROM customer_order"),
        *stack.rows("shop", "SELECT count(*) FROM outbox"),
        *stack.rows("mes", "SELECT state, count(*) FROM manufacturing_order GROUP BY state"),
    )


@pytest.fixture(name="customer")
def _customer(stack: Stack) -> Iterator[httpx.Client]:
    with stack.customer() as client:
        yield client


@pytest.fixture(name="untouched")
def _untouched(stack: Stack, customer: httpx.Client) -> Iterator[None]:
    """Fail the test if what is stored has changed."""
    assert customer.headers["Authorization"]
    before = _kept(stack)
    yield
    assert _kept(stack) == before


def _refusal(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


@pytest.mark.usefixtures("untouched")
def test_an_upload_without_a_body_is_refused(customer: httpx.Client) -> None:
    """An empty file is a 400 that says what to send."""
    assert _refusal(customer.post("/models?filename=ring.stl")) == (
        400,
        "empty_body",
        "body: it is empty. Send the file itself as the body.",
    )


@pytest.mark.usefixtures("untouched")
def test_text_that_is_no_model_is_refused(customer: httpx.Client) -> None:
    """A letter that is named like a model is a 422."""
    answer = customer.post("/models?filename=ring.stl", content=b"Dear Sirs, please make a ring.")

    status, code, message = _refusal(answer)

    assert (status, code) == (422, "not_a_model")
    assert "STL" in message


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_file_of_100_mb_is_refused(customer: httpx.Client, *, declared: bool) -> None:
    """A file over the limit is a 413 that names its size and the limit."""
    megabyte = bytes(1_000_000)

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield megabyte

    body: Any = bytes(100_000_000) if declared else pieces()

    status, code, message = _refusal(customer.post("/models?filename=ring.stl", content=body))

    assert (status, code) == (413, "model_too_large")
    assert "100000000 bytes" in message
    assert f"at most {_LIMIT_MB}" in message


@pytest.mark.usefixtures("untouched")
def test_an_order_of_an_unknown_model_is_refused(customer: httpx.Client) -> None:
    """Ordering what was never uploaded is a 404 that names the model."""
    model = str(uuid.uuid4())
    wish = {"model_id": model, "material": "silver", "quantity": 1}

    status, _code, message = _refusal(customer.post("/orders", json=wish))

    assert status == 404
    assert model in message


@pytest.mark.usefixtures("untouched")
def test_an_unknown_order_is_not_found(stack: Stack, customer: httpx.Client) -> None:
    """All three APIs answer 404 and name the order."""
    order = str(uuid.uuid4())
    with stack.operator() as operator:
        answers = [
            customer.get(f"/orders/{order}"),
            operator.get(f"/operator/orders/{order}"),
            operator.post(f"/operator/orders/{order}/claim"),
            operator.post("/price-calculations", json={"order_id": order}),
            httpx.get(f"{stack.url('crm')}/orders/{order}", timeout=10),
        ]

    assert [(_refusal(answer)[0], order in _refusal(answer)[2]) for answer in answers] == [
        (404, True)
    ] * len(answers)


@pytest.mark.usefixtures("untouched")
def test_an_illegal_change_of_state_is_a_conflict(stack: Stack, busy: FollowedOrder) -> None:
    """An operator cannot ship what was not even approved; the answer names both states."""
    path = f"/operator/orders/{busy.order_id}"
    with stack.operator("first-operator") as operator:  # who has made it
        state = operator.get(path).json()["state"]
        answer = operator.post(f"{path}/state", json={"state": "manufacturing"})

    status, _code, message = _refusal(answer)

    assert status == 409
    assert state in {"finished", "shipped"}
    assert state in message
    assert "manufacturing" in message


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic YTpi", "Bearer"])
def test_a_wrong_session_is_refused(stack: Stack, header: str | None) -> None:
    """Whoever is not signed in gets 401 from Shop and MES, and reads how to sign in."""
    headers = {} if header is None else {"Authorization": header}
    answers = [
        httpx.get(f"{stack.url('shop')}/orders", headers=headers, timeout=10),
        httpx.post(
            f"{stack.url('shop')}/models?filename=a.stl", headers=headers, content=b"x", timeout=10
        ),
        httpx.get(f"{stack.url('mes')}/operator/orders", headers=headers, timeout=10),
    ]

    assert [_refusal(answer)[0] for answer in answers] == [401, 401, 401]
    assert all("sessions" in _refusal(answer)[2] for answer in answers)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "body",
    [
        {"content": b""},
        {"content": b"{"},
        {"json": []},
        {"json": {"model_id": "x", "material": "silver", "quantity": 1}},
        {"json": {"model_id": str(uuid.UUID(int=1)), "material": "wood", "quantity": 1}},
        {"json": {"model_id": str(uuid.UUID(int=1)), "material": "silver", "quantity": -1}},
        {"json": {"model_id": str(uuid.UUID(int=1)), "material": "silver", "quantity": 1e99}},
    ],
    ids=["nothing", "broken JSON", "a list", "no UUID", "wood", "minus one", "too many"],
)
def test_an_order_that_makes_no_sense_is_refused(
    customer: httpx.Client, body: dict[str, Any]
) -> None:
    """A broken order is a 4xx in the same shape as every other refusal."""
    status, code, message = _refusal(customer.post("/orders", **body))

    assert status in {400, 422}
    assert code
    assert len(message) > 10


def test_a_refused_upload_does_not_stop_the_next(customer: httpx.Client) -> None:
    """On the connection of a refused upload the right file is taken."""
    assert customer.post("/models?filename=ring.stl", content=b"no").status_code == 422
    ring = model_file("ring", "small", 7)

    answer = customer.post(f"/models?filename={ring.filename}", content=ring.content)

    assert answer.status_code == 201


def test_bad_input_is_counted_by_its_reason(stack: Stack, customer: httpx.Client) -> None:
    """Refused orders show in the Shop's own error counter."""
    wish = {"model_id": str(uuid.uuid4()), "material": "silver", "quantity": 1}
    assert customer.post("/orders", json=wish).status_code == 404

    seen = poll_until(
        lambda: stack.query("sum by (error_type) (shop_order_errors_total)"), bool, "an error", 20
    )

    assert all(sample.labels["error_type"] for sample in seen)
