# SPDX-License-Identifier: Apache-2.0
"""The containers run what the native stack runs: the same commands, settings and versions."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from services_demo.stack import infrastructure, launch, layout, prepare
from services_demo.stack.layout import REPOSITORY, Layout
from services_demo.stack.program import Program
from tests.composed import DOCKER, SECRET, SERVICES, SETTINGS

COMPANY = ("shop-api", "shop-worker", "mes-api", "mes-worker", "crm-api", "crm-worker")

#: What is 127.0.0.1 and a port natively has a name here: port's name → host and port.
_NAMES = {
    "postgres": "postgres:5432",
    "amqp": "rabbitmq:5672",
    "s3": "s3:7070",
    "otlp_http": "otelcol:4318",
    "prometheus": "prometheus:9090",
}


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Layout:
    return Layout(folder=tmp_path, build=tmp_path / "build", ports=layout.PORTS, secret=SECRET)


def _native(place: Layout) -> dict[str, Program]:
    return {program.name: program for program in launch.programs(place)}


def _environment(place: Layout, name: str) -> dict[str, str]:
    """Return the native environment of *name* with the addresses that it has in containers."""
    found = dict(_native(place)[name].environment)
    for port, address in _NAMES.items():
        found = {key: text.replace(place.address(port), address) for key, text in found.items()}
    return found


def _command(place: Layout, name: str) -> list[str]:
    """Return the native command of *name*, its options in one piece, listening everywhere."""
    joined: list[str] = []
    for number, part in enumerate(_native(place)[name].command):
        word = Path(part).name if number < 2 and "=" not in part else part
        if joined and re.fullmatch(r"--[a-z-]+", joined[-1]) and not word.startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return [word.replace("127.0.0.1", "0.0.0.0") for word in joined]  # noqa: S104 - a container


@pytest.mark.parametrize("name", COMPANY)
def test_a_service_starts_as_it_does_natively(name: str, place: Layout) -> None:
    """The command is the same, but for the address that it listens on."""
    assert SERVICES[name]["command"] == _command(place, name)


@pytest.mark.parametrize("name", COMPANY)
def test_a_service_has_its_native_environment(name: str, place: Layout) -> None:
    """The variables are the same, but for names in place of addresses."""
    listens = {"OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0"} if name == "crm-api" else {}  # noqa: S104

    assert SERVICES[name]["environment"] == {**_environment(place, name), **listens}


def test_the_scanner_of_the_storage_starts_as_it_does_natively(place: Layout) -> None:
    """Its state lies in a volume; all else is the same, but for names in place of addresses."""
    own = {"STORAGE_SCAN_STATE_FILE": "/var/lib/storage-scanner/state.json"}
    environment = {**_environment(place, "storage-scanner"), **own}
    service = SERVICES["storage-scanner"]

    assert [
        Path(_native(place)["storage-scanner"].command[0]).name[:6],
        *service["command"][1:],
    ] == [
        "python",
        *_native(place)["storage-scanner"].command[1:],
    ]
    assert service["environment"] == environment


def test_the_reader_of_databases_starts_as_it_does_natively(place: Layout) -> None:
    """The command and the variables are the same, but for names in place of addresses."""
    environment = {**_environment(place, "database-reader"), "PGHOST": "postgres", "PGPORT": "5432"}

    assert SERVICES["database-reader"]["command"] == _command(place, "database-reader")
    assert SERVICES["database-reader"]["environment"] == environment


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_prometheus_and_alertmanager_have_their_native_flags(name: str, place: Layout) -> None:
    """But for the paths and addresses, which are the container's own."""
    own = re.compile(r"--(config\.file|storage\.(tsdb\.)?path|web\.listen-address)=")
    native = [flag for flag in _native(place)[name].command[1:] if not own.match(flag)]

    assert [flag for flag in SERVICES[name]["command"] if not own.match(flag)] == native
    assert SERVICES[name]["environment"] == _native(place)[name].environment


def test_the_collector_has_its_native_environment(place: Layout) -> None:
    """It listens for other containers, stores in its volume, and sends traces to Jaeger."""
    native = _environment(place, "otelcol")
    del native["OTELCOL_ZIPKIN_ENDPOINT"]
    own = {
        "OTELCOL_OTLP_HTTP_ENDPOINT": "0.0.0.0:4318",
        "OTELCOL_OWN_METRICS_HOST": "0.0.0.0",  # noqa: S104 - a container
        "OTELCOL_STORAGE": "/var/lib/otelcol",
        "OTELCOL_TRACES_EXPORTER": "otlp_grpc/jaeger",
        "OTELCOL_JAEGER_ENDPOINT": "jaeger:4317",
    }
    listening = {
        key: text.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - a container
        for key, text in native.items()
    }

    assert SERVICES["otelcol"]["environment"] == {**listening, **own}


def test_every_variable_of_the_pager_is_set(place: Layout) -> None:
    """What the pager is told natively it is told here."""
    told = SERVICES["pager"]["environment"].keys()

    assert _native(place)["pager"].environment.keys() <= told


def test_the_s3_storage_starts_as_it_does_natively(place: Layout) -> None:
    """The same options; objects and attributes lie in two volumes."""
    native = list(_native(place)["versitygw"].command[1:])
    native = [
        part.replace(place.address("s3"), ":7070").replace(str(place.folder / "s3"), "")
        for part in native
    ]

    assert SERVICES["s3"]["command"] == native
    assert SERVICES["s3"]["environment"] == _native(place)["versitygw"].environment


def test_postgres_has_its_native_settings(place: Layout) -> None:
    """But for where it listens."""
    options = [part for part in _native(place)["postgres"].command if re.match(r"\w+=", part)]
    address = re.compile(r"(port|listen_addresses|unix_socket_directories)=")

    assert SERVICES["postgres"]["command"] == [
        "postgres",
        *(f"-c{option}" for option in options if not address.match(option)),
    ]


def test_rabbitmq_has_its_native_settings(place: Layout) -> None:
    """But for its user, where its pages listen, and what RabbitMQ 3.10 cannot do."""
    prepare._rabbitmq(place)
    native = (place.folder / "rabbitmq" / "rabbitmq.conf").read_text().splitlines()
    own = re.compile(r"(default_|management\.tcp|prometheus\.tcp)")
    lines = (DOCKER / "rabbitmq" / "rabbitmq.conf").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith(("#", "message_"))] == [
        line for line in native if not own.match(line)
    ]


def test_prometheus_has_a_file_of_targets_for_every_job(place: Layout) -> None:
    """The same jobs find their targets, and each target is a part of the company."""
    prepare._prometheus(place)
    native = {path.name for path in (place.folder / "prometheus" / "targets").iterdir()}
    ours = sorted((DOCKER / "prometheus" / "targets").iterdir())
    groups = [group for path in ours for group in yaml.safe_load(path.read_text())]

    assert {path.name for path in ours} == native
    assert {target.split(":")[0] for group in groups for target in group["targets"]} <= (
        SERVICES.keys()
    )


def test_alertmanager_tells_the_pager(place: Layout) -> None:
    """Each receiver's file has the pager's address and the path that it has natively."""
    prepare._alertmanager(place)
    ours = DOCKER / "alertmanager" / "receivers"

    for native in (place.folder / "alertmanager" / "receivers").iterdir():
        expected = native.read_text().replace(place.url("pager"), "http://pager:8090")
        assert (ours / native.name).read_text() == expected


@pytest.mark.parametrize(
    ("name", "port"),
    {
        "SHOP_PORT": "shop",
        "MES_PORT": "mes",
        "CRM_PORT": "crm",
        "PAGER_PORT": "pager",
        "GRAFANA_PORT": "grafana",
        "PROMETHEUS_PORT": "prometheus",
        "ALERTMANAGER_PORT": "alertmanager",
        "RABBITMQ_PAGE_PORT": "rabbitmq_page",
        "OTLP_GRPC_PORT": "otlp_grpc",
        "OTLP_HTTP_PORT": "otlp_http",
    }.items(),
)
def test_a_page_has_its_native_port(name: str, port: str) -> None:
    """An address that one knows holds for both stacks."""
    assert int(SETTINGS[name]) == layout.PORTS[port]


def _required(program: str) -> str:
    text = (REPOSITORY / f"services_demo/stack/toolchain/go/{program}/go.mod").read_text()
    found = re.search(rf"^require github\.com/\w+/{program} v(\S+)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_programs_have_their_native_versions() -> None:
    """What runs here is what was tested natively."""
    # The module of Prometheus 3.15.0 is v0.315.0.
    _, both, patch = _required("prometheus").split(".")
    builder = (REPOSITORY / "collector" / "builder.yaml").read_text()
    collector = re.search(r"otlpreceiver v(\S+)", builder)
    assert collector is not None

    assert {name: SETTINGS[name].rpartition(":")[2] for name in SETTINGS if "_IMAGE" in name} | {
        "PROMETHEUS_IMAGE": f"v{both[0]}.{int(both[1:])}.{patch}",
        "ALERTMANAGER_IMAGE": f"v{_required('alertmanager')}",
        "NODE_EXPORTER_IMAGE": f"v{_required('node_exporter')}",
        "S3_IMAGE": f"v{_required('versitygw')}",
        "COLLECTOR_IMAGE": collector[1],
    } == {name: SETTINGS[name].rpartition(":")[2] for name in SETTINGS if "_IMAGE" in name}


_QUESTIONS = (
    """
    SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolconnlimit,
      rolpassword LIKE 'SCRAM-SHA-256$%'
    FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY 1
    """,
    """
    SELECT pg_get_userbyid(member), pg_get_userbyid(roleid), admin_option
    FROM pg_auth_members ORDER BY 1, 2
    """,
    """
    SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate
    FROM pg_database ORDER BY 1
    """,
    "SELECT extname FROM pg_extension ORDER BY 1",
)


@contextmanager
def _database_server(place: Layout) -> Iterator[str]:
    """Run an empty PostgreSQL as the native stack makes it; yields its address."""
    place.logs.mkdir(parents=True)
    prepare._postgres(place)
    program = _native(place)["postgres"]
    url = infrastructure.database_url(place, "postgres", "postgres")
    with (place.logs / "postgres.log").open("wb") as log:
        process = subprocess.Popen(program.command, stdout=log, stderr=log, cwd="/")
        try:
            _until(program)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _until(program: Program) -> None:
    for _ in range(100):
        try:
            program.ready()
        except Exception:  # noqa: BLE001 - the last attempt says it
            threading.Event().wait(0.1)
        else:
            return
    program.ready()


def _users_and_databases(url: str) -> list[tuple[Any, ...]]:
    """Return all that matters of the users, their groups and their databases."""
    with psycopg.connect(url) as connection:
        return [row for question in _QUESTIONS for row in connection.execute(question)]


@pytest.mark.stack
def test_the_script_makes_the_users_that_the_native_stack_makes(tmp_path: Path) -> None:
    """On two empty servers both ways give the same users, groups and databases."""
    places = [
        layout.new({"STACK_DIR": str(tmp_path / name), "STACK_PORTS": "free"})
        for name in ("native", "container")
    ]
    native, container = places
    with _database_server(native) as ours, _database_server(container) as theirs:
        prepare.databases(native)
        subprocess.run(
            [str(DOCKER / "postgres" / "users.sh")],
            env={
                **os.environ,
                "PGHOST": "127.0.0.1",
                "PGPORT": str(container.port("postgres")),
                "PGPASSWORD": container.secret,
                "POSTGRES_PASSWORD": container.secret,
            },
            check=True,
            timeout=60,
        )
        made = _users_and_databases(theirs)

        assert made == _users_and_databases(ours)
        assert ("otel_monitor", "pg_read_all_stats", False) in made
        with psycopg.connect(infrastructure.database_url(container, "shop", "shop")) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("shop",)
