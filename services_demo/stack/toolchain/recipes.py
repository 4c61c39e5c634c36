# SPDX-License-Identifier: Apache-2.0
"""How each kind of component is made; every recipe writes below `into` and nowhere else.

Fetching and building are separate commands:
a fetch that fails is worth another try, a build that fails is not.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services_demo.stack.toolchain import toolchains
from services_demo.stack.toolchain.commands import BuildError
from services_demo.stack.toolchain.components import (
    MAVEN_DEPENDENCY_PLUGIN,
    Component,
    GoBuild,
    MavenArtifact,
    PrometheusPage,
)

if TYPE_CHECKING:
    from services_demo.stack.toolchain.commands import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The folders a recipe works with."""

    repository: Path
    build: Path  # where the fallback toolchains are
    into: Path  # empty; outputs go here under the names they have in the build folder
    scratch: Path  # empty; thrown away afterwards


def make(component: Component, shop: Workshop, runner: Runner) -> None:
    """Produce the outputs of one component."""
    match component.recipe:
        case GoBuild() as recipe:
            _go_build(component, recipe, shop, runner)
        case PrometheusPage() as recipe:
            _prometheus_page(component, recipe, shop, runner)
        case MavenArtifact() as recipe:
            _maven_artifact(component, recipe, shop, runner)


def _go_build(component: Component, recipe: GoBuild, shop: Workshop, runner: Runner) -> None:
    folder = shop.repository / recipe.folder
    env = toolchains.go_environment(shop.build, runner)
    linker = "-s -w"
    if recipe.version_variable:
        linker += f" -X {recipe.version_variable}={component.version}"
    tags = ["-tags", recipe.tags]
    packages = [package for _, package in recipe.programs]
    # Listing the dependencies fetches their sources and checks them against go.sum.
    runner.download(["go", "list", *tags, "-deps", *packages], cwd=folder, env=env)
    for output, package in recipe.programs:
        options = ["-v", *tags, "-trimpath", "-ldflags", linker, "-o", str(shop.into / output)]
        runner.run(["go", "build", *options, package], cwd=folder, env=env)


def _prometheus_page(
    component: Component, recipe: PrometheusPage, shop: Workshop, runner: Runner
) -> None:
    source = _module_folder(recipe, shop, runner) / "web" / "ui"
    work = shop.scratch / "ui"
    # Go's module cache is read-only and shared; the copy must be ours to write to.
    shutil.copytree(source, work, copy_function=shutil.copyfile)
    for folder in (work, *(path for path in work.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    env = toolchains.node_environment(shop.build, runner)
    pnpm = ["npx", "--yes", recipe.pnpm]
    runner.download([*pnpm, "install", "--frozen-lockfile"], cwd=work, env=env)
    for workspace in recipe.workspaces:
        runner.run(
            [*pnpm, "--filter", f"@prometheus-io/{workspace}", "run", "build"], cwd=work, env=env
        )
    (output,) = component.outputs
    shutil.copytree(work / "mantine-ui" / "dist", shop.into / output)


def _module_folder(recipe: PrometheusPage, shop: Workshop, runner: Runner) -> Path:
    """Fetch the module of the page, in the version of go.mod; return where Go keeps it."""
    env = toolchains.go_environment(shop.build, runner)
    folder = shop.repository / recipe.folder
    runner.download(["go", "mod", "download", recipe.module], cwd=folder, env=env)
    return Path(
        runner.ask(["go", "list", "-m", "-f", "{{.Dir}}", recipe.module], cwd=folder, env=env)
    )


def _maven_artifact(
    component: Component, recipe: MavenArtifact, shop: Workshop, runner: Runner
) -> None:
    env = toolchains.maven_environment(shop.scratch, runner)
    copy = [
        f"{MAVEN_DEPENDENCY_PLUGIN}:copy",
        f"-Dartifact={recipe.coordinates}",
        f"-DoutputDirectory={shop.scratch}",
    ]
    runner.download(["mvn", "--batch-mode", "--strict-checksums", *copy], cwd=shop.scratch, env=env)
    (jar,) = shop.scratch.glob("*.jar")
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != recipe.sha256:
        raise BuildError(
            f"{component.name}: {recipe.coordinates} has sha256 {found},\n"
            f"  expected {recipe.sha256}.\n"
            "  To do: remove it from Maven's local repository and run again; "
            "if it stays so, do not use the file"
        )
    (output,) = component.outputs
    jar.replace(shop.into / output)
