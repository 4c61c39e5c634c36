# SPDX-License-Identifier: Apache-2.0
"""The description of the containers is whole and safe; nothing here needs containers."""

from __future__ import annotations

import re

import pytest

from services_demo.stack.layout import REPOSITORY
from tests.composed import COMPOSE, DOCKER, SECRET, SERVICES, SETTINGS, TEXT, VARIABLE, binds


def test_every_variable_is_in_the_file_of_settings() -> None:
    """Nothing is left to chance but the secret, and no setting is idle."""
    used = {found[1] for found in VARIABLE.finditer(TEXT) if found[1]}

    assert used == {*SETTINGS, "STACK_SECRET"}


def test_without_a_secret_compose_says_what_to_do() -> None:
    """The secret is required once, with the way to make it; it has no default."""
    asked = re.findall(r"\$\{STACK_SECRET:\?([^}]*)\}", TEXT)

    how = "The first lines of docker/compose.yaml make one"
    assert asked == [f"It is the password of all stores, in hexadecimal. {how}"]
    assert "STACK_SECRET:-" not in TEXT


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists_and_cannot_be_changed(name: str) -> None:
    """Every file and folder of this machine is there, and is read only."""
    mounts = binds(SERVICES[name])

    assert [source for source, _, _ in mounts if not (DOCKER / source).exists()] == []
    assert [source for source, _, mode in mounts if mode != "ro"] == []


def test_every_volume_is_declared_and_used() -> None:
    """Data lies in named volumes only."""
    used = {
        mount.split(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if not mount.startswith((".", "/"))
    }

    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_part_is_probed(name: str) -> None:
    """Each part that somebody asks for something has a probe that asks it too."""
    check = SERVICES[name]["healthcheck"]

    if name in {"traffic", "database-reader"}:
        assert check == {"disable": True}
    else:
        assert check["test"][0] == "CMD"
        assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


def test_what_is_waited_for_exists() -> None:
    """A part waits for others until they are healthy, and for none that does not exist."""
    waits = [
        (other, how["condition"])
        for service in SERVICES.values()
        for other, how in service.get("depends_on", {}).items()
    ]

    assert {other for other, _ in waits} <= SERVICES.keys()
    assert {condition for _, condition in waits} == {"service_healthy"}


def test_targets_of_the_build_exist() -> None:
    """Each image of our own is a stage of the Dockerfile, which gets the bases it asks for."""
    text = (DOCKER / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    builds = [service["build"] for service in SERVICES.values() if "build" in service]

    assert {build["target"] for build in builds} <= stages
    for build in builds:
        assert build["args"].keys() == set(re.findall(r"^ARG (\w+)$", text, re.MULTILINE))


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    """The context has just what the Dockerfile takes from it."""
    lines = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE
    )
    copied = {source for line in lines for source in line.split()}
    allowed = (DOCKER / "Dockerfile.dockerignore").read_text()

    assert copied == set(re.findall(r"^!(\S+)$", allowed, re.MULTILINE))
    assert [source for source in copied if not (REPOSITORY / source).exists()] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned(name: str) -> None:
    """No image changes under one's hands: a tag with a version, or built here."""
    image = SERVICES[name]["image"]

    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", image) or (
        image.endswith(":local") and "build" in SERVICES[name]
    )


@pytest.mark.parametrize("name", ["PYTHON_IMAGE", "COLLECTOR_IMAGE", "TOOLS_IMAGE"])
def test_every_base_is_pinned(name: str) -> None:
    """What our own images are built on is pinned too."""
    assert re.search(r":\d+\.\d+\.\d+(-[a-z-]+)?$", SETTINGS[name])


def test_every_port_is_of_this_machine_only() -> None:
    """What is published can be reached from this machine, by a port that can be chosen."""
    published = re.findall(r"^ +(?:ports: \[|- )\"([^\"]+):\d+\"\]?$", TEXT, re.MULTILINE)

    assert len(published) == sum(len(each.get("ports", [])) for each in SERVICES.values())
    assert [
        port for port in published if not re.fullmatch(r"127\.0\.0\.1:\$\{\w+_PORT\}", port)
    ] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_part_is_bounded(name: str) -> None:
    """Memory is limited, rights are dropped, and none can be gained."""
    service = SERVICES[name]

    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_no_secret_stands_in_a_file() -> None:
    """Settings hold no password, and the file that does is never committed."""
    assert [name for name in SETTINGS if re.search("SECRET|PASS|TOKEN|KEY", name)] == []
    assert "/docker/secret.env" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_nobody_is_admin_without_a_password() -> None:
    """Everybody may look at the dashboards; only the secret lets one change anything."""
    grafana = SERVICES["grafana"]["environment"]

    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"] == SECRET
