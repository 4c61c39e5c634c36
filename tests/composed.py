# SPDX-License-Identifier: Apache-2.0
"""The description of the containers, with its variables filled in as Compose does it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from services_demo.stack.layout import REPOSITORY

DOCKER = REPOSITORY / "docker"
SECRET = "0123456789abcdef"  # noqa: S105 - of no store
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::\?[^}]*)?\})")
TEXT = (DOCKER / "compose.yaml").read_text()
SETTINGS = dict(
    line.split("=", 1)
    for line in (DOCKER / ".env").read_text().splitlines()
    if line and not line.startswith("#")
)


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    if not isinstance(value, str):
        return value
    known = {**SETTINGS, "STACK_SECRET": SECRET}
    return VARIABLE.sub(lambda found: known[found[1]] if found[1] else "$", value)


COMPOSE: dict[str, Any] = _filled(yaml.safe_load(TEXT))
SERVICES: dict[str, Any] = COMPOSE["services"]


def binds(service: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return source, target and mode of each folder or file of this machine in *service*."""
    mounts = [tuple(f"{mount}:".split(":")[:3]) for mount in service.get("volumes", [])]
    return [mount for mount in mounts if mount[0].startswith((".", "/"))]
