# SPDX-License-Identifier: Apache-2.0
"""YAML that people read in a review: keys in order, long texts folded, the same on every run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from otel_setup.render.page import MARK, RenderError

#: Longer lines are folded.
_WIDTH = 100

#: What a value without quotes may be besides a text. Not 09:00: YAML 1.1 makes 540 of it.
_PLAIN = {
    "bool": (r"true|True|false|False|yes|no|on|off", "tTfFyYnNoO"),
    "null": (r"null|~|", ["n", "~", ""]),
    "int": (r"-?[0-9]+", "-0123456789"),
    "merge": (r"<<", "<"),
}


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, writes no aliases, folds what is long."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


class _Loader(yaml.SafeLoader):
    """Takes for a text what may be one."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML has it


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=_style(text))


def _style(text: str) -> str | None:
    if "\n" in text:
        return "|"
    # A folded text has one space for each line end, so only single spaces may be in it.
    if len(text) > _WIDTH - 20 and not re.search(r"\s\s|^\s|\s$", text):
        return ">"
    return None


_Dumper.add_representer(str, _represent)
_Dumper.add_multi_representer(str, _represent)
for _kind, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


def header(*says: str) -> str:
    """Return the comment at the top of a generated file; *says* are further lines of it."""
    lines = (f"{MARK}.", "Do not edit: change the catalogue and render again.", *says)
    return "".join(f"# {line}\n" for line in lines)


def dump(data: Mapping[str, Any] | list[Any]) -> str:
    """Return *data* as YAML."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return text


def load(text: str, name: str) -> dict[str, Any]:
    """
    Return the mapping that *text* holds, times of day as they are written.

    Raises:
        RenderError: the text, of the file *name*, is no YAML or no mapping.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        raise RenderError(f"{name}: it is no YAML: {error}") from error
    if not isinstance(data, dict):
        raise RenderError(f"{name}: expected keys such as 'route:', found {data!r}.")
    return data
