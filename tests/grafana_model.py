# SPDX-License-Identifier: Apache-2.0
"""Grafana's own model of dashboards, as its Foundation SDK has it: what does it not know?"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

plugins.register_default_plugins()

#: What Prometheus's data source reads of an annotation; the common model does not know it.
_OF_PROMETHEUS = {"tagKeys", "textFormat", "titleFormat", "useValueForTime", "target"}


def lost(board: Any) -> list[str]:
    """Return what the model drops or changes of the JSON of a dashboard, by its path."""
    board = copy.deepcopy(board)
    for annotation in board["annotations"]["list"]:
        for key in _OF_PROMETHEUS & annotation.keys():
            del annotation[key]
    back = json.loads(json.dumps(Dashboard.from_json(board), cls=encoder.JSONEncoder))
    return list(_differences(board, back))


def _differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    if isinstance(ours, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{path}.{key}"
            else:
                yield from _differences(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(mine, other, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: {ours!r} became {theirs!r}"
