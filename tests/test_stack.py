# SPDX-License-Identifier: Apache-2.0
"""The parts of the native stack that need no running stack."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services_demo.stack import control, grafana, launch, layout, ports, probes
from services_demo.stack.errors import NotReady, StackError
from services_demo.stack.program import Program


def _environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"STACK_DIR": str(tmp_path), **more}


def test_ports_have_their_defaults(tmp_path: Path) -> None:
    """Without variables every part has the documented port."""
    place = layout.new(_environ(tmp_path))

    assert place.ports == layout.PORTS


def test_a_variable_moves_a_port(tmp_path: Path) -> None:
    """STACK_PORT_SHOP moves the Shop and nothing else."""
    place = layout.new(_environ(tmp_path, STACK_PORT_SHOP="18001"))

    assert place.ports == {**layout.PORTS, "shop": 18001}


def test_all_wrong_ports_are_named_at_once(tmp_path: Path) -> None:
    """Each bad variable has a line with its value and the fix."""
    wrong = {"STACK_PORT_SHOP": "eighty", "STACK_PORT_MES": "70000", "STACK_PORT_CRM": "9090"}

    rule = "expected one port per part. Change it or STACK_PORT_CRM."
    with pytest.raises(StackError) as caught:
        layout.new(_environ(tmp_path, **wrong))

    assert str(caught.value).splitlines() == [
        "STACK_PORT_SHOP='eighty': expected a port from 1 to 65535. Unset it to use 8001.",
        "STACK_PORT_MES='70000': expected a port from 1 to 65535. Unset it to use 8002.",
        f"STACK_PORT_PROMETHEUS=9090 is also the port of crm: {rule}",
    ]


def test_free_ports_are_all_different(tmp_path: Path) -> None:
    """STACK_PORTS=free gives every part a port of its own."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))

    assert set(place.ports) == set(layout.PORTS)
    assert len(set(place.ports.values())) == len(layout.PORTS)


def test_a_saved_layout_comes_back(tmp_path: Path) -> None:
    """What `up` saved is what `down` reads, and only its owner may read it."""
    environ = _environ(tmp_path, STACK_PORTS="free")
    place = layout.new(environ)

    place.save()

    assert layout.saved(environ) == place
    assert place.state_file.stat().st_mode & 0o077 == 0


def test_a_stack_of_an_older_version_has_all_ports(tmp_path: Path) -> None:
    """A saved layout that does not know a part yet can still be read, to stop what runs."""
    environ = _environ(tmp_path, STACK_PORTS="free")
    place = layout.new(environ)
    known = {name: port for name, port in place.ports.items() if name != "pager"}
    place.state_file.write_text(json.dumps({"ports": known, "secret": place.secret}))

    seen = layout.saved(environ)

    assert seen is not None
    assert seen.ports == {**place.ports, "pager": 8090}


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    """The message has the port, the part, the program that holds it, and the variable."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))
    with socket.create_server(("127.0.0.1", place.port("shop"))), pytest.raises(StackError) as seen:
        ports.require_free(place)

    port = place.port("shop")
    message = str(seen.value)
    assert message.startswith(f"port {port} (shop) is taken by process {os.getpid()} (")
    assert message.endswith(
        f"Stop that program, or choose another port: STACK_PORT_SHOP={port + 10000}"
    )


def test_free_ports_are_no_complaint(tmp_path: Path) -> None:
    """Nothing is said about ports that nobody holds."""
    ports.require_free(layout.new(_environ(tmp_path, STACK_PORTS="free")))


def test_a_port_in_use_for_no_part_is_no_complaint(tmp_path: Path) -> None:
    """Only the stack's own ports are checked."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))
    with socket.create_server(("127.0.0.1", 0)):
        ports.require_free(place)


def _install_grafana(folder: Path) -> Path:
    """Make what an unpacked Grafana looks like from outside; return the folder of its program."""
    program = folder / "bin" / "grafana"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (folder / "public").mkdir()
    return program.parent


def test_an_installed_grafana_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `grafana` on the PATH it is a part, with the addresses of this stack."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))
    without = [program.name for program in grafana.programs(place)]
    monkeypatch.setenv("PATH", str(_install_grafana(tmp_path / "grafana")), prepend=os.pathsep)

    (program,) = grafana.programs(place)

    assert without == []
    assert program.command == ("grafana", "server", "--homepath", str(tmp_path / "grafana"))
    assert program.environment["GF_SERVER_HTTP_PORT"] == str(place.port("grafana"))
    assert program.environment["PROMETHEUS_URL"] == place.url("prometheus")


def test_dashboards_are_linked_only_if_grafana_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notifications have no link to a page that nobody serves."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))

    def linked() -> str | None:
        pager = next(each for each in launch.programs(place) if each.name == "pager")
        return pager.environment.get("PAGER_GRAFANA_URL")

    without = linked()
    monkeypatch.setenv("PATH", str(_install_grafana(tmp_path / "grafana")), prepend=os.pathsep)

    assert (without, linked()) == (None, place.url("grafana"))


def test_the_port_of_a_part_that_is_not_installed_may_be_taken(tmp_path: Path) -> None:
    """Somebody else's program on Grafana's port is no complaint where there is no Grafana."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))

    with socket.create_server(("127.0.0.1", place.port("grafana"))):
        ports.require_free(place)


def test_no_program_shows_the_secret_in_its_arguments(tmp_path: Path) -> None:
    """Arguments can be read by every user of the machine."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))

    shown = [
        program.name
        for program in launch.programs(place)
        if place.secret in " ".join(map(str, program.command))
    ]

    assert shown == []


def test_every_program_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Logs and commands go by the name."""
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))
    names = [program.name for program in launch.programs(place)]

    assert len(set(names)) == len(names)


def test_a_probe_says_what_it_saw() -> None:
    """A port that nobody serves is named with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(NotReady, match=f"^port {port}: Connection refused$"):
        probes.tcp(port)()


def test_a_server_that_is_no_broker_is_not_ready() -> None:
    """Whoever accepts and hangs up is not taken for RabbitMQ."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = probes.amqp(port)
        child = os.fork()
        if child == 0:
            connection, _ = server.accept()
            connection.close()
            os._exit(0)
        with pytest.raises(NotReady, match=f"port {port}"):
            probe()
        os.waitpid(child, 0)


def test_the_last_lines_of_a_log_are_shown(tmp_path: Path) -> None:
    """The newest lines come out indented, in their order."""
    log = tmp_path / "part.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))

    assert control.last_lines(log, 2) == "    line 98\n    line 99"


def test_a_missing_log_is_said_to_be_empty(tmp_path: Path) -> None:
    """A program that never wrote has no log, which is no reason to fail."""
    assert control.last_lines(tmp_path / "none.log", 2) == "    (the log is empty)"


def test_down_without_a_stack_does_nothing(tmp_path: Path) -> None:
    """`make down` on a machine where nothing runs says so and is fine."""
    answer = subprocess.run(
        [sys.executable, "-m", "services_demo.stack", "down"],
        env={**os.environ, **_environ(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (answer.returncode, answer.stdout[9:]) == (0, "nothing runs\n")


def test_status_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    """`make status` names the command that starts the stack."""
    answer = subprocess.run(
        [sys.executable, "-m", "services_demo.stack", "status"],
        env={**os.environ, **_environ(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert answer.returncode == 1
    assert answer.stderr.strip() == "the stack does not run. Start it with `make demo`."


def test_an_unbuilt_stack_names_what_is_missing(tmp_path: Path) -> None:
    """Without the built programs `up` says which are missing and what builds them."""
    build = tmp_path / "build"
    answer = subprocess.run(
        [sys.executable, "-m", "services_demo.stack", "up"],
        env={**os.environ, **_environ(tmp_path / "run"), "STACK_BUILD_DIR": str(build)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert answer.returncode == 1
    assert answer.stderr.strip() == (
        "not built yet: alertmanager, node_exporter, otelcol, prometheus, versitygw "
        f"in {build}. Run `make build`."
    )


# The supervisor is left to itself on purpose: it outlives the command that starts it.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_programs_that_end_at_once_count_as_started(tmp_path: Path) -> None:
    """Whoever waits for such a program tells its last words; asking for its start never raises."""

    def never() -> None:
        raise NotReady("it has ended")

    hasty = [
        Program(name=f"hasty-{number}", says="ends", command=("/bin/true",), wave=1, ready=never)
        for number in range(40)
    ]
    place = layout.new(_environ(tmp_path, STACK_PORTS="free"))
    place.logs.mkdir()
    supervisor = control.Control(place)
    try:
        supervisor.begin(hasty)
        for program in hasty:
            supervisor.start(program.name)
        assert len(supervisor.processes()) == len(hasty)
    finally:
        supervisor.end(hasty)
        control.sweep(place)
