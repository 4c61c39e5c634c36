# SPDX-License-Identifier: Apache-2.0
"""What the scanner is told, and what it says of what it cannot understand."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_setup import ConfigError
from otel_setup.storage import ScanSettings


def problem(**variables: str) -> str:
    """Return what is said of *variables*, given without their common beginning."""
    with pytest.raises(ConfigError) as refused:
        ScanSettings.from_env({f"STORAGE_SCAN_{name}": text for name, text in variables.items()})
    return str(refused.value)


def test_without_variables_all_buckets_are_scanned_each_hour() -> None:
    """Five pages a second, of the storage that botocore finds; an empty variable is none."""
    assert ScanSettings.from_env({"STORAGE_SCAN_ENDPOINT": ""}) == ScanSettings(
        endpoint=None, buckets=(), interval=3600, pages_per_second=5
    )


def test_every_variable_is_read() -> None:
    """Spaces around names are nobody's intention."""
    assert ScanSettings.from_env(
        {
            "STORAGE_SCAN_ENDPOINT": "http://127.0.0.1:7070",
            "STORAGE_SCAN_BUCKETS": "models, drafts,models",
            "STORAGE_SCAN_INTERVAL": "600",
            "STORAGE_SCAN_PAGES_PER_SECOND": "0.5",
            "STORAGE_SCAN_STATE_FILE": "/var/lib/scanner/state.json",
            "STORAGE_SCAN_CLASSES": "models=models/, drafts=tmp/,drafts=new/",
            "STORAGE_SCAN_CAPACITY": "1e12",
        }
    ) == ScanSettings(
        endpoint="http://127.0.0.1:7070",
        buckets=("models", "drafts"),
        interval=600,
        pages_per_second=0.5,
        state_file=Path("/var/lib/scanner/state.json"),
        classes={"models/": "models", "tmp/": "drafts", "new/": "drafts"},
        capacity=1e12,
    )


def test_a_star_is_all_buckets() -> None:
    """As if none was named."""
    assert ScanSettings.from_env({"STORAGE_SCAN_BUCKETS": "*"}).buckets == ()


def test_all_problems_are_told_at_once() -> None:
    """Each with the variable, its value and what was expected."""
    assert problem(ENDPOINT="storage:7070", INTERVAL="soon", CAPACITY="-1").splitlines() == [
        "STORAGE_SCAN_ENDPOINT='storage:7070': expected a URL such as http://127.0.0.1:7070.",
        "STORAGE_SCAN_INTERVAL='soon': expected seconds from 1 to 604800.",
        "STORAGE_SCAN_CAPACITY='-1': expected bytes from 1 to 1e+18.",
    ]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"BUCKETS": "a/b"}, "expected names of buckets with commas, or * for all"),
        ({"BUCKETS": ","}, "expected names of buckets with commas, or * for all"),
        (
            {"BUCKETS": ",".join(f"bucket-{number}" for number in range(51))},
            "expected at most 50 buckets; start a second scanner",
        ),
        ({"PAGES_PER_SECOND": "0"}, "expected pages from 0.01 to 1000"),
        ({"PAGES_PER_SECOND": "nan"}, "expected pages from 0.01 to 1000"),
        (
            {"CLASSES": "models"},
            (
                "'models' is no class; expected name=prefix with commas, such as "
                "models=models/,drafts=tmp/, names in lower case"
            ),
        ),
        ({"CLASSES": "other=x/"}, "the class 'other' is what no prefix matches; expected another"),
        ({"CLASSES": "a=x/,b=x/"}, "prefix 'x/' is in two classes; expected one"),
        (
            {"CLASSES": ",".join(f"c{number}=p{number}/" for number in range(20))},
            "expected at most 19 classes beside 'other'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_rule(variables: dict[str, str], expected: str) -> None:
    """The message ends with what was expected."""
    assert problem(**variables).endswith(f": {expected}.")


def test_a_password_in_an_address_is_not_told() -> None:
    """Whoever reads the log need not know it."""
    assert problem(ENDPOINT="ftp://me:secret@storage") == (
        "STORAGE_SCAN_ENDPOINT='***@storage': expected a URL such as http://127.0.0.1:7070."
    )


def test_the_longest_prefix_decides() -> None:
    """In whatever order classes are given; what none matches is other."""
    class_of = ScanSettings(classes={"a/": "short", "a/b/": "long"}).classify()

    assert [class_of(key) for key in ("a/x", "a/b/x", "a", "b/a/")] == [
        "short", "long", "other", "other",
    ]  # fmt: skip
