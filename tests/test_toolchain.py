# SPDX-License-Identifier: Apache-2.0
"""The stack's builder: when it builds, what it says, and what it leaves alone."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services_demo.stack.toolchain import (
    build,
    commands,
    debian,
    java_trust,
    quiet_install,
    stamps,
    toolchains,
)
from services_demo.stack.toolchain.commands import BuildError, CommandError, Runner
from services_demo.stack.toolchain.components import COMPONENTS, REPOSITORY, Component, GoBuild
from services_demo.stack.toolchain.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable

# Stands in for Go: compiles nothing, but reads its folder and writes its output as Go does.
FAKE_GO = """#!/bin/sh
case "$1" in
  version) echo go version go1.26.0 linux/amd64; exit ;;
  list) [ -e offline ] && { echo no route to the proxy; exit 1; }; exit 0 ;;
esac
grep -q broken go.mod && { echo main.go:1: undefined: answer >&2; exit 2; }
while [ "$1" != -o ]; do shift; done
mkdir -p "$(dirname "$2")" && cp go.mod "$2"
"""


def component(name: str) -> Component:
    """Return a component with one program, built from `<name>/go.mod`."""
    return Component(
        name=name,
        version="1.0",
        recipe=GoBuild(folder=name, programs=((f"bin/{name}", "."),), tags="netgo"),
        inputs=(f"{name}/go.mod",),
        outputs=(f"bin/{name}",),
        cold_seconds=1,
    )


ONE, TWO = component("one"), component("two")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with two components and a stand-in for Go on PATH."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "go.mod").write_text(f"module {name}\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "go").write_text(FAKE_GO)
    (programs / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "BACK_OFF_SECONDS", (0.0,))
    return tmp_path


def test_builds_once(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second build with the same inputs does nothing and says so."""
    folder = repository / "out"
    build.build((ONE, TWO), folder, repository)
    first = capsys.readouterr().out.splitlines()
    assert first[0] == "[1/2] one 1.0: building (about 1 s cold) …"
    assert first[-1] == "toolchain: 2 built, 0 already current in out"
    assert (folder / "bin" / "one").read_text() == "module one\n"

    build.build((ONE, TWO), folder, repository)
    assert capsys.readouterr().out == "toolchain: 2 already current in out\n"


def test_rebuilds_what_changed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed input rebuilds its component and no other."""
    folder = repository / "out"
    build.build((ONE, TWO), folder, repository)
    (repository / "two" / "go.mod").write_text("module two // changed\n")
    capsys.readouterr()
    build.build((ONE, TWO), folder, repository)
    assert "[1/1] two 1.0" in capsys.readouterr().out
    assert (folder / "bin" / "two").read_text() == "module two // changed\n"


@pytest.mark.parametrize("change", [{"version": "1.1"}, {"outputs": ("bin/other",)}])
def test_stamp_covers_the_table(repository: Path, change: dict[str, object]) -> None:
    """A new version, flag or output in the table makes a component stale."""
    build.build((ONE,), repository / "out", repository)
    (repository / "out" / "bin" / "other").write_text("")
    changed = dataclasses.replace(ONE, **change)  # type: ignore[arg-type]
    assert stamps.is_current(ONE, repository, repository / "out")
    assert not stamps.is_current(changed, repository, repository / "out")


@pytest.mark.parametrize("damage", ["cut short", "removed", "stamp cut short", "stamp removed"])
def test_stamp_needs_whole_outputs(repository: Path, damage: str) -> None:
    """An output or a stamp that is gone or cut short means building again."""
    folder = repository / "out"
    build.build((ONE,), folder, repository)
    victim = folder / ("stamps/one.json" if "stamp" in damage else "bin/one")
    if "removed" in damage:
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-3])
    assert not stamps.is_current(ONE, repository, folder)


def test_failed_build_keeps_the_old_one(repository: Path) -> None:
    """A build that fails leaves the output and the stamp of the last good one."""
    folder, module = repository / "out", repository / "one" / "go.mod"
    build.build((ONE,), folder, repository)
    module.write_text("broken\n")
    with pytest.raises(BuildError):
        build.build((ONE,), folder, repository)
    assert (folder / "bin" / "one").read_text() == "module one\n"
    module.write_text("module one\n")
    assert stamps.is_current(ONE, repository, folder)


def test_failure_message(repository: Path) -> None:
    """A failure names the component, the command, its last output, the log and what to do."""
    (repository / "one" / "go.mod").write_text("broken\n")
    with pytest.raises(BuildError) as failure:
        build.build((ONE,), repository / "out", repository)
    first, command, folder, log, *end = str(failure.value).splitlines()
    assert first == "one 1.0: failed, exit code 2."
    assert command.startswith("  command: go build -v -tags netgo -trimpath -ldflags '-s -w' -o ")
    assert folder == "  in:      one"
    assert log == "  last lines of out/logs/one.log:"
    assert end[-2:] == [
        "    | main.go:1: undefined: answer",
        "  To do: after a network fault run it again: what was fetched and compiled is kept",
    ]


def test_failed_fetch_is_tried_again(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fetching is tried again before it counts as failed, building is not."""
    (repository / "one" / "offline").touch()
    with pytest.raises(BuildError, match="no route to the proxy"):
        build.build((ONE,), repository / "out", repository)
    assert "one: download failed (exit code 1), trying again in 0 s" in capsys.readouterr().out


def test_download_gives_up(tmp_path: Path) -> None:
    """A download is tried four times, with growing pauses."""
    pauses: list[float] = []
    runner = Runner(name="one", log=tmp_path / "log", sleep=pauses.append)
    with pytest.raises(CommandError):
        runner.download(["sh", "-c", "echo tried; exit 7"], cwd=tmp_path, env=os.environ)
    assert pauses == [2.0, 5.0, 10.0]
    assert runner.log.read_text().count("\ntried\n") == 4


def test_download_recovers(tmp_path: Path) -> None:
    """A download that works the second time is a success."""
    runner = Runner(name="one", log=tmp_path / "log", sleep=lambda _: None)
    runner.download(
        ["sh", "-c", "[ -e seen ] || { touch seen; exit 1; }"], cwd=tmp_path, env=os.environ
    )


def test_missing_tool(tmp_path: Path) -> None:
    """A tool that does not exist is reported as such, not as a traceback."""
    runner = Runner(name="one", log=tmp_path / "log")
    with pytest.raises(CommandError, match="could not be started"):
        runner.run(["no-such-tool"], cwd=tmp_path, env=os.environ)


def test_heartbeat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A long command shows that it lives, with the last line it printed."""
    runner = Runner(name="one", log=tmp_path / "log", heartbeat=0.2)
    runner.run(["sh", "-c", "echo halfway; sleep 0.5"], cwd=tmp_path, env=os.environ)
    assert "      one: 0 s … halfway\n" in capsys.readouterr().out


def test_interrupt_ends_the_tool(tmp_path: Path) -> None:
    """Ctrl-C ends the running tool with its children, exits with 130 and leaves no output."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "go").write_text(
        f"#!/bin/sh\n[ $1 = version ] && exec echo go1.26\necho $$ >{tmp_path}/tool\nsleep 60\n"
    )
    (programs / "go").chmod(0o755)
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    options = ["--only", "node_exporter", "--into", str(tmp_path / "out")]
    child = subprocess.Popen(
        [sys.executable, "-m", build.__name__, *options], cwd=REPOSITORY, env=env
    )
    tool = tmp_path / "tool"
    _wait_until(lambda: tool.exists() and tool.read_text().strip() != "")
    child.terminate()
    assert child.wait(timeout=10) == 130
    assert not Path(f"/proc/{tool.read_text().strip()}").exists()
    assert not (tmp_path / "out" / "stamps").exists()


def test_second_build_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second build waits for the first and names its process and what it does."""
    entered = threading.Event()

    def second() -> None:
        with exclusive(tmp_path / "out"):
            entered.set()

    with exclusive(tmp_path / "out") as announce:
        announce("building otelcol 0.152.0")
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        assert not entered.is_set()
    thread.join(timeout=10)
    assert entered.is_set()
    waiting = rf"process {os.getpid()}, building otelcol 0\.152\.0 since \d\d:\d\d:\d\d"
    assert re.search(waiting, capsys.readouterr().out)


def test_list_names_every_component(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--list shows every component with version, state and outputs, and builds nothing."""
    assert build.main(["--list", "--into", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [item.name for item in COMPONENTS]
    assert re.fullmatch(r"zipkin +3\.5\.1 +to build +zipkin\.jar", lines[-1])
    assert not (tmp_path / "out").exists()


def test_unknown_component(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is not in the table is answered with the names that are."""
    assert build.main(["--only", "grafana"]) == 1
    assert capsys.readouterr().err == (
        "--only 'grafana': expected one of otelcol, prometheus, prometheus-page, alertmanager, "
        "node_exporter, versitygw, zipkin.\n"
    )


def test_build_folder() -> None:
    """The build folder is in the repository unless STACK_BUILD_DIR names another."""
    assert build.build_folder({}) == REPOSITORY / ".stack" / "build"
    assert build.build_folder({"STACK_BUILD_DIR": ""}) == REPOSITORY / ".stack" / "build"
    assert build.build_folder({"STACK_BUILD_DIR": "/somewhere"}) == Path("/somewhere")


def test_table_inputs_are_committed() -> None:
    """Every input in the table is a file of the repository."""
    inputs = [name for item in COMPONENTS for name in item.inputs]
    assert [name for name in inputs if not (REPOSITORY / name).is_file()] == []


def test_table_versions_are_those_of_go_mod() -> None:
    """The version in the table is the one that go.mod requires: a bump cannot forget one."""
    required = {
        "alertmanager": "github.com/prometheus/alertmanager v{}",
        "node_exporter": "github.com/prometheus/node_exporter v{}",
        "versitygw": "github.com/versity/versitygw v{}",
        "otelcol": "go.opentelemetry.io/collector/otelcol v{}",
    }
    modules = {item.name: item for item in COMPONENTS if isinstance(item.recipe, GoBuild)}
    for name, line in required.items():
        item = modules[name]
        assert isinstance(item.recipe, GoBuild)
        text = (REPOSITORY / item.recipe.folder / "go.mod").read_text()
        assert line.format(item.version) in text
    # Prometheus 3.15.0 is the module's v0.315.0.
    major, minor, patch = modules["prometheus"].version.split(".")
    text = (REPOSITORY / "services_demo/stack/toolchain/go/prometheus/go.mod").read_text()
    assert f"prometheus/prometheus v0.{major}{minor:0>2}.{patch}" in text


def test_distribution_is_that_of_builder_yaml() -> None:
    """Every component in collector/builder.yaml is in the generated Collector, in that version."""
    collector = REPOSITORY / "collector"
    wanted = re.findall(r"gomod: (\S+ v\S+)", (collector / "builder.yaml").read_text())
    module = (collector / "distribution" / "go.mod").read_text()
    sources = "".join(file.read_text() for file in (collector / "distribution").glob("*.go"))
    assert wanted
    assert [line for line in wanted if line not in module] == []
    assert [line for line in wanted if f'"{line.split()[0]}"' not in sources] == []


def test_runs_without_installed_packages() -> None:
    """The builder imports nothing but the standard library: it runs before any pip install."""
    code = (
        "import sys; sys.path.insert(0, '.'); "
        "import services_demo.stack.toolchain.build, services_demo.stack.toolchain.debian"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=REPOSITORY, check=True)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/amd64", (1, 27)),
        ("v20.20.2", (20, 20)),
        ("", (0, 0)),
    ],
)
def test_tool_versions(text: str, version: tuple[int, int]) -> None:
    """Versions are read from what Go and Node print."""
    assert toolchains.version_in(text) == version


def need(package: str, *, present: bool) -> debian.Need:
    """Return a need that is or is not met."""
    return debian.Need(package=package, gives=f"the {package} program", present=lambda: present)


def test_missing_packages() -> None:
    """Only the packages whose programs are absent are missing."""
    needs = (need("maven", present=True), need("rabbitmq-server", present=False))
    assert [item.package for item in debian.missing(needs)] == ["rabbitmq-server"]


DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"
WANTED = (need("maven", present=False), need("rabbitmq-server", present=False))


def test_root_on_debian_installs() -> None:
    """Root on Debian is not refused."""
    assert debian.refusal(WANTED, DEBIAN, user=0) is None


def test_user_on_debian_gets_the_command() -> None:
    """Without root, the message is the exact command to run."""
    message = debian.refusal(WANTED, DEBIAN, user=1000)
    assert message is not None
    line = "  sudo apt-get install --no-install-recommends maven rabbitmq-server"
    assert line in message.splitlines()


@pytest.mark.parametrize("os_release", [UBUNTU, ""])
def test_other_systems_get_the_programs(os_release: str) -> None:
    """Elsewhere the message lists the programs, and nothing is installed even as root."""
    assert debian.refusal(WANTED, os_release, user=0) == (
        "This is not Debian, so nothing was installed. Install these your way:\n"
        "  the maven program  (Debian: maven)\n"
        "  the rabbitmq-server program  (Debian: rabbitmq-server)"
    )


@pytest.mark.parametrize(
    ("release", "version"),
    [('JAVA_VERSION="17.0.15"', 17), ('JAVA_VERSION="1.8.0_392"', 8), ("IMAGE=1", 0)],
)
def test_java_version(release: str, version: int) -> None:
    """Java's version is read from its release file, in the old and the new spelling."""
    assert debian.java_version(release) == version


def test_package_lists_age(tmp_path: Path) -> None:
    """Package lists are stale when absent or older than a day."""
    assert debian.lists_are_stale(tmp_path, now=time.time())
    (tmp_path / "main_Packages.lz4").touch()
    assert not debian.lists_are_stale(tmp_path, now=time.time())
    assert debian.lists_are_stale(tmp_path, now=time.time() + 25 * 3600)


def test_service_starts_are_forbidden(tmp_path: Path) -> None:
    """While packages are installed the policy forbids starts; afterwards it is gone."""
    policy = tmp_path / "policy-rc.d"
    with quiet_install.no_service_starts(policy):
        assert subprocess.run([policy], check=False).returncode == 101
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("killed_before", [False, True])
def test_existing_policy_comes_back(tmp_path: Path, *, killed_before: bool) -> None:
    """The administrator's policy comes back after a failure, even of an earlier run."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    if killed_before:
        policy.rename(tmp_path / "policy-rc.d.saved-by-stack")
        policy.write_text(f"#!/bin/sh\n{quiet_install.MARK}\nexit 101\n")
    with pytest.raises(BuildError), quiet_install.no_service_starts(policy):
        raise BuildError
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert list(tmp_path.iterdir()) == [policy]


def test_no_database_cluster(tmp_path: Path) -> None:
    """PostgreSQL's packaged configuration is back after the installation without a cluster."""
    config, packaged = tmp_path / "etc" / "createcluster.conf", tmp_path / "packaged.conf"
    packaged.write_text("# as Debian ships it\n")
    with quiet_install.no_database_cluster(config, packaged):
        assert "create_main_cluster = false" in config.read_text()
    assert config.read_text() == "# as Debian ships it\n"


def test_existing_cluster_configuration_stays(tmp_path: Path) -> None:
    """An administrator's cluster configuration is not touched."""
    config = tmp_path / "createcluster.conf"
    config.write_text("create_main_cluster = true\n")
    with quiet_install.no_database_cluster(config, tmp_path / "packaged.conf"):
        assert config.read_text() == "create_main_cluster = true\n"
    assert config.read_text() == "create_main_cluster = true\n"


def _wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_java_is_given_only_the_authorities_that_it_lacks() -> None:
    """A certificate whose fingerprint keytool lists is not added again."""
    known, new = (
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----"
        for der in (b"known authority", b"the company's own")
    )
    digest = hashlib.sha256(b"known authority").hexdigest().upper()
    listing = "SHA-256: " + ":".join(digest[i : i + 2] for i in range(0, 64, 2))

    assert java_trust.missing(f"# comment\n{known}\n{new}\n", listing) == [new]
