# SPDX-License-Identifier: Apache-2.0
"""
Links between the generated pages; each returns Markdown.

*page* is the page where the target stands, empty when the link is on that page itself.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Dashboard, Panel
from otel_setup.catalogue.model import Metric
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import markdown as md
from otel_setup.render.language import Language

METRICS, ALERTS, DASHBOARDS = "metrics.md", "alerts.md", "dashboards.md"


def metric(entry: Metric, page: str = "") -> str:
    """Return a link to the entry of a metric."""
    return md.link(md.code(entry.prometheus_name), f"{page}#{entry.prometheus_name}")


def alert(entry: Alert, page: str = "") -> str:
    """Return a link to the runbook of an alert."""
    return md.link(entry.name, f"{page}#{md.slug(entry.name)}")


def question(identity: str, page: str = "") -> str:
    """Return a link to the line of a question."""
    return md.link(identity, f"{page}#question-{identity}")


def dashboard(catalogue: Catalogue, slug: str) -> str:
    """Return a link to a dashboard in Grafana, named as it is on the screen."""
    titles = {each.slug: each.title for each in catalogue.dashboards}
    return md.link(md.prose(titles[slug]), catalogue.board_at(slug))


def panel(catalogue: Catalogue, board: Dashboard, shown: Panel, language: Language) -> str:
    """Return a link to the dashboard of a panel, both named as on the screen, and what it says."""
    name = md.prose(f"{board.title} / {shown.title}")
    told = language.of(shown.title)
    meaning = f" ({md.prose(told)})" if told != shown.title else ""
    return md.link(name, catalogue.board_at(board.slug)) + meaning


def others(language: Language, page: str) -> str:
    """Return links from the top of *page* to it in the other language, and to the other pages."""
    beside = {METRICS: "Metrics", ALERTS: "Alerts", DASHBOARDS: "Dashboards"}
    links = [md.link(language.other, f"../{page}" if language.folder else f"ru/{page}")]
    links += [md.link(language.fixed(name), at) for at, name in beside.items() if at != page]
    return " · ".join(links)
