# SPDX-License-Identifier: Apache-2.0
"""Where a notification leads: each link works on the machine that the pager runs on."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from services_demo.pager.notification import Notification
from services_demo.pager.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Addresses; an empty one is not known. ``traces`` has the id and the page of each trace."""

    runbook: str
    dashboard: str
    expression: str
    traces: tuple[tuple[str, str], ...]


def of(notification: Notification, settings: Settings) -> Links:
    """Return the links of *notification*."""
    return Links(
        # Ours instead of the rule's: that was written for the default ports.
        runbook=f"/runbooks/{quote(notification.name, safe='')}",
        dashboard=dashboard(notification.annotations.get("dashboard_url", ""), settings),
        expression=_web(notification.expression_url),
        traces=tuple(
            (trace, settings.trace_url.replace("{trace_id}", trace))
            for trace in notification.traces
        ),
    )


def dashboard(url: str, settings: Settings) -> str:
    """Return where the dashboard *url* is on this machine; empty if there is no Grafana."""
    if not (settings.grafana_url and is_dashboard(url)):
        return ""
    return settings.grafana_url + urlsplit(url).path


def is_dashboard(url: str) -> bool:
    """Tell whether *url* is a dashboard of Grafana."""
    return urlsplit(url).path.startswith("/d/")


def _web(url: str) -> str:
    """Return *url* if a browser may be sent there; a script hidden in it would run."""
    return url if url.startswith(("http://", "https://")) else ""
