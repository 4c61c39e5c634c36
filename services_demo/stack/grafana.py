# SPDX-License-Identifier: Apache-2.0
"""Grafana, which is no part of what `make build` builds: it runs if this machine has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from services_demo.stack import probes, traces
from services_demo.stack.infrastructure import GO
from services_demo.stack.layout import REPOSITORY, Layout
from services_demo.stack.program import Program

#: Where Debian's package keeps what the program needs beside itself.
_PACKAGED = Path("/usr/share/grafana")


def home() -> Path | None:
    """Return the folder of the installed Grafana; None if there is no `grafana` on the PATH."""
    found = shutil.which("grafana")
    if found is None:
        return None
    unpacked = Path(found).resolve().parents[1]
    return next((each for each in (unpacked, _PACKAGED) if (each / "public").is_dir()), None)


def programs(layout: Layout) -> list[Program]:
    """Return Grafana with the company's dashboards; nothing if it is not installed."""
    installed = home()
    if installed is None:
        return []
    own, given = layout.folder / "grafana", REPOSITORY / "docker" / "grafana"
    settings = {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(layout.port("grafana")),
        "GF_PATHS_DATA": str(own / "data"),
        "GF_PATHS_LOGS": str(own / "logs"),
        "GF_PATHS_PLUGINS": str(own / "plugins"),
        "GF_PATHS_PROVISIONING": str(given / "provisioning"),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(given / "dashboards" / "overview.json"),
        # One person's machine: whoever reaches the page may look.
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_SECURITY_ADMIN_PASSWORD": layout.secret,
        # It calls nobody, and fetches nothing at its start.
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_LOG_LEVEL": "warn",
        # Read by provisioning/.
        "PROMETHEUS_URL": layout.url("prometheus"),
        "ALERTMANAGER_URL": layout.url("alertmanager"),
        "TRACES_TYPE": "zipkin",
        "TRACES_URL": layout.url("zipkin"),
        "TRACES_PAGE": traces.page(layout.url("zipkin"), "").rstrip("/"),
        "DASHBOARDS_PATH": str(given / "dashboards"),
        "GOMEMLIMIT": "150MiB",
    }
    return [
        Program(
            name="grafana",
            says="Grafana with the dashboards of the company",
            command=("grafana", "server", "--homepath", str(installed)),
            environment={**GO, **settings},
            wave=1,
            ready=probes.http(layout.url("grafana") + "/api/health"),
        )
    ]
