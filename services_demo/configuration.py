# SPDX-License-Identifier: Apache-2.0
"""
Configuration from the environment, checked at the start.

Everything that is wrong is said at once, with the variable, its value (passwords hidden)
and what to do, before a port is opened or a message taken.
"""

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

_PASSWORD = re.compile(r"(?i)(password=)[^&\s]*")


class ConfigurationError(Exception):
    """The environment cannot be used; the text has one line per variable."""


class ServiceSettings(BaseSettings):
    """Base of a service's settings: field `shop_database_url` is variable SHOP_DATABASE_URL."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")


def _address(*schemes: str, example: str) -> AfterValidator:
    def check(value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if scheme not in schemes or not separator or not rest.strip("/"):
            raise ValueError(f"expected an address like {example}")
        return value

    return AfterValidator(check)


DatabaseUrl = Annotated[
    str,
    _address("postgresql", "postgres", example="postgresql://user:password@127.0.0.1:5433/shop"),
]
BrokerUrl = Annotated[
    str, _address("amqp", "amqps", example="amqp://user:password@127.0.0.1:5672/%2F")
]
HttpUrl = Annotated[str, _address("http", "https", example="http://127.0.0.1:7070")]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
SessionHours = Annotated[float, Field(gt=0, le=24 * 365)]

S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S]) -> S:
    """
    Read *settings* from the environment.

    Raises:
        ConfigurationError: variables are missing or unusable.
    """
    try:
        return settings()
    except ValidationError as error:
        lines = [_problem(fault) for fault in error.errors(include_url=False)]
        raise ConfigurationError("\n".join(lines)) from None


def _problem(fault: Any) -> str:
    variable = ".".join(str(part) for part in fault["loc"]).upper()
    if fault["type"] == "missing":
        return f"{variable} is not set. Set it in the environment of this process."
    rule = fault["msg"].removeprefix("Value error, ").rstrip(".")
    value = _without_password(str(fault["input"]))
    return f"{variable}={value!r}: {rule[:1].lower()}{rule[1:]}. Change it and start again."


def _without_password(value: str) -> str:
    """Hide what may be a password, also in an address that was mistyped."""
    scheme, separator, rest = value.rpartition("://")
    user, colon, tail = rest.partition(":")
    if "@" in tail:
        tail = f"***@{tail.rpartition('@')[2]}"
    elif colon and not separator and not tail.isdigit():
        tail = "***"
    return _PASSWORD.sub(r"\1***", f"{scheme}{separator}{user}{colon}{tail}")
