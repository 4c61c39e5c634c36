# SPDX-License-Identifier: Apache-2.0
"""What the Shop moves to and from the storage is counted to the byte, its failures by code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from e2e.running import Stack, poll_until
from services_demo.shop.settings import ShopSettings
from services_demo.traffic.order import FollowedOrder
from services_demo.traffic.shapes import ModelFile, model_file

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

_BUCKET: str = ShopSettings.model_fields["s3_bucket"].default
_OF_SHOP = f'job="shop-api", aws_s3_bucket="{_BUCKET}"'


def _bytes(direction: str, methods: str) -> str:
    chosen = f'{_OF_SHOP}, network_io_direction="{direction}", rpc_method=~"{methods}"'
    return f"sum(aws_s3_client_io_bytes_total{{{chosen}}})"


#: Other calls have bodies too, of XML.
_SENT = _bytes("transmit", "PutObject|UploadPart")
_RECEIVED = _bytes("receive", "GetObject")

#: It is in two parts on its way: over 8 MiB, and not over 16.
_LARGE = model_file("ring", "large", 7)
_SIZE = len(_LARGE.content)

#: Seconds between two exports of a service in the stack.
_EXPORTS_EVERY = 2


def _transfers(direction: str, outcome: str = "completed") -> str:
    chosen = f'{_OF_SHOP}, aws_s3_transfer_direction="{direction}"'
    outcome = f'aws_s3_transfer_outcome="{outcome}"'
    return f"sum(aws_s3_client_transfer_duration_seconds_count{{{chosen}, {outcome}}})"


def _calls(method: str, **labels: str) -> str:
    chosen = "".join(f', {name}="{value}"' for name, value in labels.items())
    name = "aws_s3_client_operation_duration_seconds_count"
    return f'sum({name}{{{_OF_SHOP}, rpc_method="{method}"{chosen}}})'


def _now(stack: Stack, *queries: str) -> list[float]:
    """Return what *queries* count; 0 where nothing was counted yet."""
    return [sum(sample.value for sample in stack.query(each)) for each in queries]


@contextmanager
def _counted(stack: Stack, rises: dict[str, float]) -> Iterator[None]:
    """Expect that the block raises the count of each query by just so much."""
    before = _now(stack, *rises)
    yield
    wanted = list(rises.values())

    def risen() -> list[float]:
        return [new - old for new, old in zip(_now(stack, *rises), before, strict=True)]

    seen = poll_until(
        risen,
        lambda seen: all(one >= other for one, other in zip(seen, wanted, strict=True)),
        f"{rises}",
        40,
    )
    assert dict(zip(rises, seen, strict=True)) == rises


@pytest.fixture(scope="module", name="calm")
def _calm(stack: Stack, busy: FollowedOrder) -> None:
    """The traffic is over, and all that it moved is counted."""
    assert busy.order_id
    everything = f"sum(aws_s3_client_io_bytes_total{{{_OF_SHOP}}})"

    def stays() -> bool:
        before = _now(stack, everything)
        time.sleep(2 * _EXPORTS_EVERY)
        return _now(stack, everything) == before

    poll_until(stays, bool, "the end of the traffic", 60)


@pytest.fixture(name="customer")
def _customer(stack: Stack, calm: None) -> Iterator[httpx.Client]:
    assert calm is None
    with stack.customer("files@example.com") as client:
        yield client


def _upload(customer: httpx.Client, file: ModelFile) -> str:
    answer = customer.post(f"/models?filename={file.filename}", content=file.content)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["model_id"])


@pytest.fixture(scope="module", name="stored")
def _stored(stack: Stack, calm: None) -> Iterator[tuple[Any, str]]:
    """A customer who is signed in, and his model, of which everything is counted already."""
    assert calm is None
    with stack.customer("files@example.com") as customer:
        with _counted(
            stack,
            {
                _SENT: _SIZE,
                _transfers("upload"): 1,
                _calls("UploadPart"): 2,
                _calls("CreateMultipartUpload"): 1,
                _calls("CompleteMultipartUpload"): 1,
                _calls("PutObject"): 0,
            },
        ):
            model_id = _upload(customer, _LARGE)
        yield customer, model_id


def test_an_upload_in_parts_is_one_transfer_of_all_its_bytes(stored: tuple[Any, str]) -> None:
    """Two parts, three kinds of calls, and not a byte more or less."""
    _customer, model_id = stored
    assert model_id


def test_a_small_upload_is_one_call(stack: Stack, customer: httpx.Client) -> None:
    """With the bytes of its file."""
    file = model_file("bead", "small", 11)
    with _counted(
        stack,
        {
            _SENT: len(file.content),
            _transfers("upload"): 1,
            _calls("PutObject", http_response_status_code="200"): 1,
            _calls("UploadPart"): 0,
        },
    ):
        _upload(customer, file)


def test_a_download_is_counted_to_its_last_byte(stack: Stack, stored: tuple[Any, str]) -> None:
    """The Shop hands it on in pieces, and measures until the last one."""
    customer, model_id = stored
    with _counted(stack, {_RECEIVED: _SIZE, _transfers("download"): 1, _calls("GetObject"): 1}):
        assert len(customer.get(f"/models/{model_id}/content").content) == _SIZE


def test_a_customer_who_leaves_abandons_the_download(stack: Stack, stored: tuple[Any, str]) -> None:
    """It is no failure, and not completed either; of its bytes some were read."""
    customer, model_id = stored
    (before,) = _now(stack, _RECEIVED)
    with (
        _counted(
            stack,
            {
                _transfers("download", "abandoned"): 1,
                _transfers("download"): 0,
                _transfers("download", "failed"): 0,
            },
        ),
        httpx.Client(base_url=customer.base_url, headers=customer.headers, timeout=30) as leaving,
        leaving.stream("GET", f"/models/{model_id}/content") as answer,
    ):
        next(answer.iter_raw(1000))
    received = poll_until(
        lambda: _now(stack, _RECEIVED)[0] - before, lambda rise: rise > 0, "its bytes", 40
    )
    assert 0 < received < _SIZE


def test_what_is_active_comes_back_to_nothing(stack: Stack, stored: tuple[Any, str]) -> None:
    """No transfer stays in progress once all are done."""
    assert stored
    active = f"sum(aws_s3_client_active_transfers{{{_OF_SHOP}}})"
    seen = poll_until(lambda: _now(stack, active), lambda seen: seen == [0], active, 40)
    assert seen == [0]
    assert len(stack.query(active)) == 1


def test_an_exemplar_leads_to_the_upload(stack: Stack, stored: tuple[Any, str]) -> None:
    """Its trace has the request, the transfer and its parts with the bucket; the key is nowhere."""
    _customer, model_id = stored
    spans = poll_until(
        lambda: _trace_of_parts(stack),
        bool,
        "a trace with an upload in parts behind an exemplar",
        60,
    )
    names = {span["tags"].get("rpc.method", "") for span in spans}
    assert {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"} <= names
    of_storage = [span for span in spans if "aws.s3.bucket" in span["tags"]]
    assert {span["tags"]["aws.s3.bucket"] for span in of_storage} == {_BUCKET}
    parents = {span["id"]: span for span in spans}
    (whole,) = {
        span["parentId"] for span in of_storage if span["tags"].get("rpc.method") == "UploadPart"
    }
    assert parents[whole]["tags"]["aws.s3.bucket"] == _BUCKET
    assert f"{model_id}.stl" not in str(spans)
    assert [key for span in spans for key in span["tags"] if key == "aws.s3.key"] == []


def _trace_of_parts(stack: Stack) -> list[dict[str, Any]]:
    """Return the spans of a trace that an exemplar of a large upload leads to, if it is there."""
    now = time.time()
    answer = httpx.get(
        f"{stack.url('prometheus')}/api/v1/query_exemplars",
        params={
            "query": "aws_s3_client_operation_duration_seconds_bucket"
            f'{{{_OF_SHOP}, rpc_method="CompleteMultipartUpload"}}',
            "start": str(now - 300),
            "end": str(now),
        },
        timeout=10,
    )
    exemplars = [point for series in answer.json()["data"] for point in series["exemplars"]]
    for point in sorted(exemplars, key=lambda point: -float(point["timestamp"])):
        trace_id = point["labels"].get("trace_id", "")
        found = httpx.get(f"{stack.url('zipkin')}/api/v2/trace/{trace_id}", timeout=10)
        spans: list[dict[str, Any]] = found.json() if found.is_success else []
        if "POST" in {span.get("tags", {}).get("http.request.method") for span in spans}:
            return [{"tags": {}, **span} for span in spans]
    return []


@pytest.mark.kills
def test_a_bucket_that_is_gone_is_told_by_its_code(stack: Stack, customer: httpx.Client) -> None:
    """One upload fails with the code that the storage answered; the next makes the bucket."""
    folder = stack.place.folder / "s3" / "objects" / _BUCKET
    away = folder.with_name("taken-away")
    folder.rename(away)
    try:
        with _counted(
            stack,
            {
                _calls("PutObject", error_type="NoSuchBucket", http_response_status_code="404"): 1,
                _transfers("upload", "failed"): 1,
            },
        ):
            answer = customer.post(
                "/models?filename=a.stl", content=model_file("bead", "small", 12).content
            )
            assert answer.json()["error"]["code"] == "storage_unavailable"
    finally:
        if not folder.exists():
            away.rename(folder)
    _upload(customer, model_file("bead", "small", 13))


@pytest.mark.kills
def test_a_storage_that_is_away_is_told_and_its_return_too(
    stack: Stack, customer: httpx.Client
) -> None:
    """S3CallsFail names service and bucket, holds while it lasts, and ends."""
    firing = f'ALERTS{{alertname="S3CallsFail", alertstate="firing", {_OF_SHOP}}}'
    file = model_file("bead", "small", 14)

    def try_and_look() -> list[str]:
        customer.post("/models?filename=a.stl", content=file.content)
        return [sample.labels["severity"] for sample in stack.query(firing)]

    assert stack.query(firing) == []
    refused = 'error_type="EndpointConnectionError"'
    with stack.without("versitygw"):
        told = poll_until(try_and_look, bool, "S3CallsFail", 300)
        assert told == ["warning"]
        assert _now(stack, f"sum(aws_s3_client_retries_total{{{_OF_SHOP}, {refused}}})") > [0]
    poll_until(try_and_look, lambda seen: not seen, "the end of S3CallsFail", 240)
    ended = f"aws_s3_client_operation_duration_seconds_count{{{_OF_SHOP}, {refused}}}"
    assert stack.query(f"sum({ended})")[0].value >= 5
