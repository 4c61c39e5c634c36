# SPDX-License-Identifier: Apache-2.0
"""What users of S3 choose, what counts as a failure, and who is told of it first."""

from __future__ import annotations

import re

import pytest

from otel_setup.catalogue import s3, services
from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.alerts.s3 import FAULT, PROMPT
from otel_setup.catalogue.entries.s3 import FIRST_BYTE, OPERATION_DURATION, TRANSFER_SPEED
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import rate
from otel_setup.catalogue.whole import Catalogue, Component
from services_demo.catalogue.company import CATALOGUE


def alert(name: str, component: Component = s3.COMPONENT) -> Alert:
    """Return the alert *name* of *component*."""
    (found,) = (each for each in component.alerts if each.name == name)
    return found


def is_left_out(where: dict[str, str], value: str) -> bool:
    """Tell whether the matcher of *where* leaves *value* out."""
    ((_label, matcher),) = where.items()
    assert matcher.startswith("!~")
    return re.fullmatch(matcher.removeprefix("!~"), value) is not None


def test_a_user_says_what_is_slow() -> None:
    """Both in the rule and in what it tells, in both languages."""
    slow = alert("S3TransfersSlow", s3.component(slow_speed=2e6))
    assert slow.expr.text.count("< 2e+06") == 1
    assert isinstance(slow.meaning, Text)
    assert "below 2,000 kB/s" in slow.meaning
    assert "ниже 2 000 кБ/с" in slow.meaning.ru


@pytest.mark.parametrize("speed", [0, -1.0])
def test_a_speed_that_nothing_is_below_is_refused(speed: float) -> None:
    """The alert would never fire."""
    with pytest.raises(
        ValueError,
        match=rf"^slow_speed={speed!r}: expected bytes per second above 0, such as 300000\.$",
    ):
        s3.component(slow_speed=speed)


def test_the_speed_by_default_is_a_bound_of_the_histogram() -> None:
    """Whether the median is below it is then no estimate."""
    assert s3.SLOW_SPEED in TRANSFER_SPEED.buckets
    assert 1.0 in FIRST_BYTE.buckets


@pytest.mark.parametrize(
    "code",
    [
        "",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "ConditionalRequestConflict",
        "NoSuchKey",
        "NotModified",
        "304",
        "PreconditionFailed",
        "412",
    ],
)
def test_an_answer_that_a_caller_expects_is_no_fault(code: str) -> None:
    """A service that makes its bucket at each start would be told each time; so would success."""
    assert is_left_out(FAULT, code)


@pytest.mark.parametrize(
    "code",
    [
        *("InternalError", "500", "503", "ServiceUnavailable", "SlowDown", "AccessDenied"),
        *("NoSuchBucket", "404", "409", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        *("EndpointConnectionError", "ReadTimeoutError", "IncompleteRead", "NoSuchUpload"),
    ],
)
def test_all_else_is_one(code: str) -> None:
    """What the storage, the network or a wrong setting did."""
    assert not is_left_out(FAULT, code)


@pytest.mark.parametrize("method", ["CompleteMultipartUpload", "CopyObject", "UploadPartCopy"])
def test_what_works_on_a_whole_object_may_take_its_time(method: str) -> None:
    """Its first byte says how large the object is, not how quick the storage."""
    assert is_left_out(PROMPT, method)
    assert not is_left_out(PROMPT, "GetObject")


def test_calls_and_transfers_are_called_so() -> None:
    """The unit of a panel is what its histogram counts."""
    assert rate(OPERATION_DURATION).unit == "{call}/s"
    assert rate(TRANSFER_SPEED).unit == "{transfer}/s"


def test_the_symptom_holds_back_what_explains_it() -> None:
    """Calls that fail are told once; then what slows them down, the plainest first."""
    causes = {each.name: each.inhibited_by for each in s3.ALERTS}
    assert causes == {
        "S3CallsFail": (),
        "S3Throttled": ("S3CallsFail",),
        "S3RetriesHigh": ("S3CallsFail", "S3Throttled"),
        "S3AnswersSlowly": ("S3Throttled",),
        "S3TransfersSlow": ("S3Throttled", "S3RetriesHigh", "S3AnswersSlowly"),
    }
    assert {each.inhibited_on for each in s3.ALERTS if each.inhibited_by} == {
        ("job", "aws_s3_bucket")
    }


def test_a_route_that_is_slow_for_its_files_is_told_by_the_storage() -> None:
    """For the same service."""
    slow = next(
        each
        for component in services.components()
        for each in component.alerts
        if each.name == "ServiceIsSlow"
    )
    assert {"S3AnswersSlowly", "S3TransfersSlow"} <= set(slow.inhibited_by)
    assert slow.inhibited_on == ("job",)


def test_a_user_puts_his_own_beside_the_others() -> None:
    """With another threshold, and a dashboard of his own."""
    mine = Catalogue(
        title="Mine",
        components=services.components(storage=s3.component(slow_speed=1e6, dashboard="services")),
        dashboards=services.DASHBOARDS,
    )
    slow = mine.alerts["S3TransfersSlow"]
    assert ("< 1e+06" in slow.expr.text, slow.dashboard) == (True, "services")
    assert len([each for each in mine.components if each.name == "s3"]) == 1


def test_an_alert_goes_to_the_team_of_the_service() -> None:
    """Shop and MES use the same bucket: who calls is to act."""
    company = next(each for each in CATALOGUE.components if each.name == "s3")
    teams = {each.labels["team"] for each in company.alerts}
    assert teams == {'{{ reReplaceAll "-.*" "" $labels.job }}'}
    assert {each.dashboard for each in company.alerts} == {"s3"}
