# SPDX-License-Identifier: Apache-2.0
"""Keeps Debian packages from starting services while they are installed, then puts all back."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = Path("/usr/sbin/policy-rc.d")
CLUSTER_CONFIG = Path("/etc/postgresql-common/createcluster.conf")
CLUSTER_PACKAGED = Path("/usr/share/postgresql-common/createcluster.conf")
MARK = "# Written for one installation by services_demo.stack.toolchain; remove it if you find it."


@contextmanager
def no_service_starts(policy: Path = POLICY) -> Iterator[None]:
    """Forbid every package to start a service; an existing policy comes back."""
    saved = policy.with_name(policy.name + ".saved-by-stack")
    # One with our mark is left from a run that was killed: what was before it is in `saved`.
    if os.path.lexists(policy) and not _is_ours(policy):
        policy.rename(saved)
    policy.write_text(f"#!/bin/sh\n{MARK}\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)
        if saved.exists():
            saved.rename(policy)


@contextmanager
def no_database_cluster(
    config: Path = CLUSTER_CONFIG, packaged: Path = CLUSTER_PACKAGED
) -> Iterator[None]:
    """Keep PostgreSQL from making its main cluster, unless the administrator has a say already."""
    if os.path.lexists(config) and not _is_ours(config):
        yield
        return
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"{MARK}\ncreate_main_cluster = false\n")
    try:
        yield
    finally:
        # A later PostgreSQL, for other purposes, must behave as Debian documents it.
        if packaged.exists():
            shutil.copyfile(packaged, config)
        else:
            config.unlink(missing_ok=True)


@contextmanager
def no_new_epmd() -> Iterator[None]:
    """Stop Erlang's port mapper if the installation started it and none ran before."""
    before = _epmd_processes()
    try:
        yield
    finally:
        if not before:
            for process in _epmd_processes():
                os.kill(process, signal.SIGTERM)


def _is_ours(file: Path) -> bool:
    return file.exists() and MARK in file.read_text(errors="replace")


def _epmd_processes() -> set[int]:
    return {int(comm.parent.name) for comm in Path("/proc").glob("[0-9]*/comm") if _is_epmd(comm)}


def _is_epmd(comm: Path) -> bool:
    try:
        return comm.read_text().strip() == "epmd"
    except OSError:  # it ended while we looked
        return False
