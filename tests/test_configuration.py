# SPDX-License-Identifier: Apache-2.0
"""What the services say about a bad environment."""

import pytest

from services_demo.configuration import ConfigurationError, load
from services_demo.mes.settings import MesWorkerSettings

FIX = "Change it and start again."

GOOD = {
    "MES_DATABASE_URL": "postgresql://mes:pw@127.0.0.1:5433/mes",
    "AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/%2F",
    "S3_ENDPOINT_URL": "http://127.0.0.1:7070",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set what the MES worker needs, and nothing else that it reads."""
    for name in ("S3_BUCKET", "MES_PRICING_PROCESSES", "MES_WORKER_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_what_is_not_set_has_its_default() -> None:
    """Three addresses are enough."""
    settings = load(MesWorkerSettings)
    assert (settings.s3_bucket, settings.mes_pricing_processes) == ("models", 2)


def test_an_empty_variable_counts_as_not_set(environment: pytest.MonkeyPatch) -> None:
    """As everywhere else in the environment of OpenTelemetry."""
    environment.setenv("S3_BUCKET", "")
    assert load(MesWorkerSettings).s3_bucket == "models"


def test_everything_wrong_is_said_at_once(environment: pytest.MonkeyPatch) -> None:
    """One line for each variable, with its value, the rule and the fix."""
    environment.delenv("AMQP_URL")
    environment.setenv("S3_ENDPOINT_URL", "localhost:7070")
    environment.setenv("MES_PRICING_PROCESSES", "0")
    with pytest.raises(ConfigurationError) as refused:
        load(MesWorkerSettings)
    assert str(refused.value).splitlines() == [
        "AMQP_URL is not set. Set it in the environment of this process.",
        "S3_ENDPOINT_URL='localhost:7070': expected an address like http://127.0.0.1:7070. " + FIX,
        "MES_PRICING_PROCESSES='0': input should be greater than or equal to 1. " + FIX,
    ]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("mysql://me:secret@db/mes", "mysql://me:***@db/mes"),
        ("me:secret@db/mes", "me:***@db/mes"),
        ("mysql://me:se/cr@et@db:1/mes", "mysql://me:***@db:1/mes"),
        ("postgres:secret", "postgres:***"),
        ("host=db password=secret dbname=mes", "host=db password=*** dbname=mes"),
        ("db?password=secret&x=1", "db?password=***&x=1"),
    ],
)
def test_a_password_is_never_shown(environment: pytest.MonkeyPatch, typed: str, shown: str) -> None:
    """Also when the address around it is mistyped."""
    environment.setenv("MES_DATABASE_URL", typed)
    with pytest.raises(ConfigurationError) as refused:
        load(MesWorkerSettings)
    assert f"MES_DATABASE_URL={shown!r}: " in str(refused.value)
    assert "secret" not in str(refused.value)
