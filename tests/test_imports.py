# SPDX-License-Identifier: Apache-2.0
"""Who may import whom."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_setup
from tests.programs import run

ROOT = Path(__file__).parents[1]
STANDARD = sys.stdlib_module_names
#: The layers of the instrumentations, and what they all may use.
LAYER = (
    "opentelemetry.instrumentation",
    "otel_setup.catalogue",
    "otel_setup._guard",
    "otel_setup._urgent",
    "otel_setup.context",
    "otel_setup.instruments",
    "otel_setup.settings",
    "otel_setup.users",
    "otel_setup.redaction",
    "otel_setup._edge",
    "otel_setup._statements",
    "otel_setup.instrumentation",
    "wrapt",
)
#: What redaction is made of.
REDACTION = ("_secrets", "_addresses", "_statements", "_kinds")
API = ("trace", "metrics", "context", "propagate", "baggage", "_logs", "semconv")
SERVICES = ("shop", "mes", "crm", "pager")
#: Tools of development and operation: no service imports them.
DEVELOPMENT = ("cli.py", "doctor/", "live/", "pictures/", "render/")


def files(*folders: str) -> list[str]:
    """Return the Python files of *folders* (or the files themselves), from the root."""
    paths = [ROOT / folder for folder in folders]
    found = [each for path in paths for each in (path.rglob("*.py") if path.is_dir() else [path])]
    assert found
    return sorted(str(path.relative_to(ROOT)) for path in found)


def imports(file: str, *, at_import: bool = False) -> Iterator[str]:
    """
    Yield the full dotted names that *file* imports.

    With *at_import* only those that run when the module is imported: neither those inside
    a function nor those for type checkers.
    """
    nodes: list[ast.AST] = [ast.parse((ROOT / file).read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes.extend(node.orelse)
            continue
        nodes.extend(ast.iter_child_nodes(node))


def inside(name: str, packages: tuple[str, ...]) -> bool:
    """Tell whether *name* is one of *packages* or in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def outside(file: str, *allowed: str, at_import: bool = False) -> list[str]:
    """Return what *file* imports beyond the standard library and *allowed*."""
    return [
        name
        for name in imports(file, at_import=at_import)
        if name.split(".")[0] not in STANDARD and not inside(name, allowed)
    ]


@pytest.mark.parametrize(
    "file", files("otel_setup/settings.py", "otel_setup/_values.py", "otel_setup/catalogue")
)
def test_settings_and_catalogue_need_the_standard_library_only(file: str) -> None:
    """Documents and rules are rendered without OpenTelemetry."""
    assert outside(file, "otel_setup.catalogue", "otel_setup._values") == []


@pytest.mark.parametrize(
    "file",
    files(*(f"otel_setup/{name}.py" for name in ("redaction", *REDACTION))),
)
def test_redaction_needs_the_standard_library_only(file: str) -> None:
    """Instrumentations may use it, and whoever wants to hide something else."""
    assert outside(file, *(f"otel_setup.{name}" for name in REDACTION)) == []


@pytest.mark.parametrize("file", files("otel_setup/instrumentation"))
def test_an_instrumentation_imports_its_library_late(file: str) -> None:
    """At import it needs the API and its own layer; a program may not have the library."""
    api = tuple(f"opentelemetry.{name}" for name in API)
    assert outside(file, *LAYER, *api, at_import=True) == []
    ours = [name for name in imports(file) if inside(name, ("otel_setup",))]
    assert [name for name in ours if not inside(name, LAYER)] == []


#: The parts that are made of the SDK; all others work on the API.
ON_THE_SDK = (
    *("_providers", "_limits", "_redaction", "_fork", "_complaints", "_prometheus", "_file"),
    *("_logs", "testing", "doctor/"),
)


@pytest.mark.parametrize(
    "file",
    [
        each
        for each in files("otel_setup")
        if not each.startswith(tuple(f"otel_setup/{name}" for name in ON_THE_SDK))
    ],
)
def test_only_the_providers_know_the_sdk(file: str) -> None:
    """All else works on the API, which does nothing until there is an SDK."""
    assert [name for name in imports(file) if inside(name, ("opentelemetry.sdk",))] == []


@pytest.mark.parametrize("file", files("otel_setup/live", "otel_setup/pictures"))
def test_looking_at_prometheus_needs_the_standard_library_only(file: str) -> None:
    """The live check runs where no service is installed; what draws is imported by drawing."""
    own = ("otel_setup.catalogue", "otel_setup.live", "otel_setup.pictures", "otel_setup.render")
    assert outside(file, *own, at_import=True) == []


@pytest.mark.parametrize(
    "file",
    [
        each
        for each in files("otel_setup")
        if not each.startswith(tuple(f"otel_setup/{name}" for name in DEVELOPMENT))
    ],
)
def test_what_runs_in_services_does_not_render_or_check(file: str) -> None:
    """Tools of development and operation stay out of services."""
    tools = tuple(f"otel_setup.{name.rstrip('/').removesuffix('.py')}" for name in DEVELOPMENT)
    assert [name for name in imports(file) if inside(name, tools)] == []


def test_importing_the_package_changes_nothing() -> None:
    """No SDK, no framework, no thread, no variable."""
    ended = run(
        "import os, sys, threading\n"
        "before = dict(os.environ)\n"
        "import otel_setup\n"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter', 'fastapi', 'flask', 'psutil')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "print(threading.active_count(), before == dict(os.environ))\n",
        launcher=False,
    )
    assert (ended.stdout, ended.stderr) == ("[]\n1 True\n", "")


def test_what_the_package_exports_exists_in_order() -> None:
    """`__all__` is sorted, and each name in it is there."""
    assert otel_setup.__all__ == sorted(otel_setup.__all__)
    assert [name for name in otel_setup.__all__ if not hasattr(otel_setup, name)] == []


@pytest.mark.parametrize("file", files("services_demo"))
def test_the_company_uses_what_is_public(file: str) -> None:
    """No SDK, and of otel_setup only what its first page exports and the catalogue's types."""
    exported = (f"otel_setup.{name}" for name in otel_setup.__all__)
    public = ("otel_setup.catalogue", *exported)
    assert [
        name
        for name in imports(file)
        if inside(name, ("opentelemetry.sdk",))
        or (inside(name, ("otel_setup",)) and not inside(name, public))
    ] == []


@pytest.mark.parametrize("file", files("otel_setup/storage"))
def test_the_scanner_of_storages_uses_what_is_public(file: str) -> None:
    """It is a user of the package like any other, and imports botocore when it connects."""
    exported = tuple(f"otel_setup.{name}" for name in otel_setup.__all__)
    public = ("otel_setup.catalogue", "otel_setup.storage", *exported)
    assert outside(file, *public, at_import=True) == []
    assert [name for name in imports(file) if inside(name, ("otel_setup", "opentelemetry"))] == [
        name for name in imports(file) if inside(name, public)
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_services_do_not_import_each_other(service: str) -> None:
    """They meet in messages only."""
    others = tuple(f"services_demo.{other}" for other in SERVICES if other != service)
    assert [
        (file, name)
        for file in files(f"services_demo/{service}")
        for name in imports(file)
        if inside(name, others)
    ] == []


@pytest.mark.parametrize("file", files("services_demo/catalogue"))
def test_the_companys_catalogue_needs_no_service(file: str) -> None:
    """Documents and rules are rendered without the company's code, its broker or OpenTelemetry."""
    assert outside(file, "otel_setup.catalogue", "services_demo.catalogue") == []


@pytest.mark.parametrize("part", [*SERVICES, "bus", "deadletters"])
def test_a_part_takes_its_own_metrics_only(part: str) -> None:
    """What another service counts is not its business."""
    own = f"services_demo.catalogue.{part}"
    assert [
        (file, name)
        for file in files(f"services_demo/{part}")
        for name in imports(file)
        if inside(name, ("services_demo.catalogue",)) and not inside(name, (own,))
    ] == []


@pytest.mark.parametrize("file", files("services_demo/stack", "services_demo/traffic"))
def test_stack_and_traffic_are_free_of_the_services(file: str) -> None:
    """They talk to the services the way everybody does; the stack borrows an order to send."""
    borrowed = (
        "services_demo.stack",
        "services_demo.catalogue.company",
        "services_demo.traffic.order",
    )
    allowed = borrowed if "/stack/" in file else ("services_demo.traffic",)
    assert [
        name
        for name in imports(file)
        if inside(name, ("services_demo",)) and not inside(name, allowed)
    ] == []


@pytest.mark.parametrize("file", files("services_demo/stack/toolchain"))
def test_the_toolchain_needs_the_standard_library_only(file: str) -> None:
    """It runs before anything is installed."""
    assert outside(file, "services_demo.stack.toolchain") == []


@pytest.mark.parametrize("file", files("services_demo/pager"))
def test_the_pager_needs_the_standard_library_only(file: str) -> None:
    """It is small beside what it watches: a runbook's Markdown is loaded when one is read."""
    assert outside(file, "services_demo.pager", at_import=True) == []
