# SPDX-License-Identifier: Apache-2.0
"""
A whole catalogue: components with their metrics and alerts, dashboards, questions, objectives.

Everything is checked against everything when the catalogue is made, so that what is rendered
from it has no broken link: all problems are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from otel_setup.catalogue import checks
from otel_setup.catalogue.alerting import Alert, Recording, Slo
from otel_setup.catalogue.boards import Dashboard, Panel, Question
from otel_setup.catalogue.model import Metric, Recorded, Source
from otel_setup.catalogue.own_panels import with_own_panels


class CatalogueError(ValueError):
    """A catalogue that contradicts itself; the message has one line for each problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """
    What one part of the system tells about itself, and who answers for it.

    ``name`` is the slug of its rule group and its headings, ``owner`` the team that its
    alerts go to. ``scraped`` names the scrape jobs of Prometheus from which its metrics come;
    metrics that are pushed through the Collector have none.
    """

    name: str
    title: str
    owner: str
    source: Source
    metrics: tuple[Metric, ...]
    alerts: tuple[Alert, ...] = ()
    scraped: tuple[str, ...] = ()

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """Those of its metrics that a rule computes."""
        return tuple(metric for metric in self.metrics if isinstance(metric, Recording))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """
    One scrape job of Prometheus: what it reads, and where from.

    Its targets stand in ``targets/<targets>.yml`` (by default the job's name) beside the
    configuration. Of what it reads only the metrics of the components that name it in
    ``scraped`` are stored; ``keep_all`` is the reason to store all.
    """

    job: str
    says: str
    path: str = "/metrics"
    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    targets: str = ""
    honor_labels: bool = False
    keep_all: str = ""


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """
    All that is known of a system's telemetry, in the order in which it is shown.

    ``runbooks`` is the address before the name of an alert, ``grafana`` the address of
    Grafana: links in notifications start with them. ``docs`` is the address before the name of
    a rendered document; panels link to the entries of their metrics if it is given.

    Raises:
        CatalogueError: entries contradict each other.
    """

    title: str
    components: tuple[Component, ...]
    dashboards: tuple[Dashboard, ...] = ()
    questions: tuple[Question, ...] = ()
    slos: tuple[Slo, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    runbooks: str = "http://127.0.0.1:8090/runbooks/"
    grafana: str = "http://127.0.0.1:3000"
    docs: str = ""

    def __post_init__(self) -> None:
        own = with_own_panels(self.dashboards, self.metrics.values())
        object.__setattr__(self, "dashboards", own)
        problems = list(checks.problems(self))
        if problems:
            raise CatalogueError(f"catalogue {self.title!r}:\n  " + "\n  ".join(problems))

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Every metric by its name."""
        return {
            metric.name: metric for component in self.components for metric in component.metrics
        }

    @cached_property
    def alerts(self) -> dict[str, Alert]:
        """Every alert by its name."""
        return {alert.name: alert for component in self.components for alert in component.alerts}

    @cached_property
    def panels_of(self) -> dict[str, tuple[tuple[Dashboard, Panel], ...]]:
        """Metric → where it is shown; through a recording, what the recording reads is shown."""
        found: dict[str, tuple[tuple[Dashboard, Panel], ...]] = {}
        for dashboard in self.dashboards:
            for panel in dashboard.panels:
                for name in self._read_by(panel.metrics):
                    found[name] = (*found.get(name, ()), (dashboard, panel))
        return found

    @cached_property
    def alerts_of(self) -> dict[str, tuple[Alert, ...]]:
        """Metric → which alerts watch it, directly, through a recording or an objective."""
        found: dict[str, tuple[Alert, ...]] = {}
        for alert in self.alerts.values():
            for name in self._read_by(alert.expr.metrics):
                found[name] = (*found.get(name, ()), alert)
        return found

    def runbook_of(self, alert: str) -> str:
        """Return the address of the runbook of the alert *alert*."""
        return self.runbooks + alert

    def board_at(self, slug: str) -> str:
        """Return the address of the dashboard *slug* in Grafana."""
        return f"{self.grafana.rstrip('/')}/d/{slug}"

    def panels_for(self, question: Question) -> tuple[tuple[Dashboard, Panel], ...]:
        """Return the panels that serve *question*."""
        return tuple(
            (dashboard, panel)
            for dashboard in self.dashboards
            for panel in dashboard.panels
            if question.id in panel.rows
        )

    def component_of(self, entry: Metric | Alert) -> Component:
        """Return the component that *entry* belongs to."""
        for component in self.components:
            if any(each is entry for each in (*component.metrics, *component.alerts)):
                return component
        raise LookupError(f"{entry.name!r} is not in catalogue {self.title!r}.")

    def _read_by(self, names: frozenset[str]) -> frozenset[str]:
        """Return *names* and all that the recordings and objectives among them read."""
        reached: frozenset[str] = frozenset()
        new = names
        while new:
            reached |= new
            below: set[str] = set()
            for name in new:
                metric = self.metrics.get(name)
                if isinstance(metric, Recording):
                    below |= metric.expr.metrics
                elif isinstance(metric, Recorded):
                    for slo in self.slos:
                        below |= slo.bad.metrics | slo.total.metrics
            new = frozenset(below) - reached
        return reached
