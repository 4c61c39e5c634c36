# SPDX-License-Identifier: Apache-2.0
"""The reference page of the variables."""

from otel_setup.settings import VARIABLES, Variable

_HEAD = """\
# Settings

Every variable that `otel_setup` reads. An empty variable counts as unset.
All problems are reported at once, at the start, each with the variable, its value and the fix.
Further standard variables, such as those of single signals, are the SDK's own and work as ever.

| variable | default | meaning |
|---|---|---|
"""


def page() -> str:
    """Return the page in Markdown."""
    return _HEAD + "".join(_line(variable) for variable in VARIABLES)


def _line(variable: Variable) -> str:
    default = f"`{variable.default}`" if variable.default is not None else "none"
    secret = " Never shown." if variable.secret else ""
    meaning = (variable.doc + secret).replace("|", "\\|").replace("*", "\\*")
    return f"| `{variable.name}` | {default} | {meaning} |\n"
