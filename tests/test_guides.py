# SPDX-License-Identifier: Apache-2.0
"""What the guides name is there: files, places, alerts, panels. And their example works."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import built
import pytest
import yaml

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.model import Counter
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import markdown, writing
from services_demo.catalogue import shop
from services_demo.catalogue.company import CATALOGUE

ROOT = Path(__file__).parents[1]
ROUTES = ROOT / "docker" / "alertmanager" / "routes.yml"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()

#: Written by hand; the generated pages have tests of their own.
PAGES = [
    *("README.md", "CONTRIBUTING.md", "collector/README.md"),
    *(
        f"docs/{name}.md"
        for name in (
            *("architecture", "configuration-file", "databases", "dead-letters", "doctor"),
            *("hosts-and-servers", "in-production", "logs"),
            *("rabbitmq", "running", "s3", "settings", "slow-page", "storage-size", "testing"),
        )
    ),
    *(f"docs/add-a-{name}.md" for name in ("metric", "service")),
    *("docs/read-the-dashboards.md", "docs/on-call-first-hour.md", "docs/ru/slow-page.md"),
]
#: Guides that name dashboards and panels, in italics.
ABOUT_DASHBOARDS = [
    page for page in PAGES if page.endswith(("-dashboards.md", "-hour.md", "docs/slow-page.md"))
]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ITALIC = re.compile(r"(?<![*\w])\*([^*\n]+)\*(?!\*)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Return the code of CONTRIBUTING.md in *language*."""
    return [text for kind, text in _FENCE.findall(CONTRIBUTING) if kind == language]


def prose(page: str) -> str:
    """Return *page* without its code."""
    return re.sub(r"`[^`\n]+`", "", _FENCE.sub("", (ROOT / page).read_text()))


def places(text: str) -> set[str]:
    """Return the anchors of a page."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {markdown.slug(heading) for heading in headings} | set(
        re.findall(r'<a id="([^"]+)"></a>', text)
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_guide_leads_somewhere(page: str) -> None:
    """Files are there, and so are the places on them."""
    lost = []
    for target in _LINK.findall(prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, place = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists() or (place and place not in places(file.read_text())):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", ABOUT_DASHBOARDS)
def test_what_a_guide_names_in_italics_is_on_a_dashboard(page: str) -> None:
    """Somebody looks for these words on the screen, at night."""
    panels = [panel for dashboard in CATALOGUE.dashboards for panel in dashboard.panels]
    known = {
        *(str(dashboard.title) for dashboard in CATALOGUE.dashboards),
        *(str(panel.title) for panel in panels),
        *(str(panel.may_be_empty) for panel in panels),
    }
    named = _ITALIC.findall(prose(page))
    assert named
    assert [name for name in named if name not in known] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_alert_that_a_guide_links_is_in_the_catalogue(page: str) -> None:
    """The name that is shown is the name of the place that it leads to."""
    links = re.findall(r"\[([^]]+)\]\([^)]*alerts\.md#([a-z]+)\)", prose(page))
    assert [
        name for name, place in links if name not in CATALOGUE.alerts or name.lower() != place
    ] == []


def test_every_critical_alert_has_a_first_action() -> None:
    """All but those about the monitoring itself, whose runbooks are short."""
    table = (ROOT / "docs" / "on-call-first-hour.md").read_text()
    of_business = [
        alert.name
        for component in CATALOGUE.components
        if component.name not in {"prometheus", "alertmanager", "slo"}
        for alert in component.alerts
        if alert.severity == "critical"
    ]
    assert [name for name in of_business if f"[{name}](alerts.md#" not in table] == []


def walked(*, alert: bool) -> Catalogue:
    """Return the company's catalogue after the walk-through, up to its metric or its *alert*."""
    names = {name: getattr(shop, name) for name in dir(shop)}
    entry, watch = (text for text in blocks("python") if "Counter(" in text or "Alert(" in text)
    exec(entry, names)  # noqa: S102 - that it runs is what is tested
    metric: Counter = names["ORDERS_CANCELLED"]
    alerts: tuple[Alert, ...] = ()
    if alert:
        exec(watch, names)  # noqa: S102
        metric, alerts = dataclasses.replace(metric, no_alert=""), (names["CUSTOMERS_GIVE_UP"],)
    component = dataclasses.replace(
        shop.COMPONENT,
        metrics=(*shop.COMPONENT.metrics, metric),
        alerts=(*shop.COMPONENT.alerts, *alerts),
    )
    return dataclasses.replace(
        CATALOGUE,
        components=tuple(
            component if each.name == component.name else each for each in CATALOGUE.components
        ),
    )


def made(catalogue: Catalogue) -> dict[Path, str]:
    """Return the files that are rendered from *catalogue*."""
    return writing.files(
        catalogue, out=Path("docker"), docs=Path("docs"), routes=ROUTES.read_text()
    )


def wrote(before: Catalogue, after: Catalogue) -> list[str]:
    """Return what `make generate` says."""
    old, new = made(before), made(after)
    return [f"wrote {path}" for path, text in new.items() if old.get(path) != text]


def test_the_walk_through_says_what_is_generated() -> None:
    """By hand it is one file for the metric, and one file and its cases for the alert."""
    said = [text.splitlines() for text in blocks("") if "$ make generate" in text]
    said = [[line for line in lines if line.startswith("wrote ")] for lines in said]
    metric, alert = walked(alert=False), walked(alert=True)
    assert [wrote(CATALOGUE, metric), wrote(metric, alert)] == said


@pytest.mark.stack
def test_the_case_of_the_walk_through_passes(tmp_path: Path) -> None:
    """And it can fail: against the rules without the alert it does."""
    (case,) = blocks("yaml")
    tests = yaml.safe_load(f"tests:\n{case}")["tests"]
    ended = []
    for name, catalogue in (("with", walked(alert=True)), ("without", CATALOGUE)):
        rules = tmp_path / f"{name}.yml"
        rules.write_text(made(catalogue)[Path("docker/prometheus/rules/shop.yml")])
        cases = tmp_path / f"{name}.test.yml"
        cases.write_text(
            yaml.safe_dump(
                {"rule_files": [str(rules)], "evaluation_interval": "15s", "tests": tests}
            )
        )
        ended.append(built.run("promtool", "test", "rules", cases).returncode)
    assert ended == [0, 1]
