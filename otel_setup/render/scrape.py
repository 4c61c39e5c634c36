# SPDX-License-Identifier: Apache-2.0
"""Scrape jobs of Prometheus that store what the catalogue knows, and nothing else."""

from __future__ import annotations

import textwrap
from typing import Any

from otel_setup.catalogue.model import Recorded
from otel_setup.catalogue.whole import Catalogue, Scrape
from otel_setup.render import yaml_text

PATH = "prometheus/scrape.yml"

#: Prometheus makes them itself for each target, after the list has been applied.
_AUTOMATIC = frozenset(
    {
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "scrape_samples_post_metric_relabeling",
        "scrape_series_added",
    }
)

_SAYS = (
    "Name it in scrape_config_files of prometheus.yml. Each job reads its targets from",
    "targets/<name>.yml beside this file, and stores the metrics that are in the catalogue.",
)


def pages(catalogue: Catalogue) -> dict[str, str]:
    """Return the scrape jobs of *catalogue* by path: ``prometheus/scrape.yml``, if it has any."""
    if not catalogue.scrapes:
        return {}
    jobs = "\n".join(_job(catalogue, scrape) for scrape in catalogue.scrapes)
    return {PATH: f"{yaml_text.header(*_SAYS)}\nscrape_configs:\n{jobs}"}


def kept(catalogue: Catalogue, scrape: Scrape) -> list[str]:
    """Return the names of all series that *scrape* stores, besides those of Prometheus itself."""
    return sorted(
        {
            name
            for component in catalogue.components
            if scrape.job in component.scraped
            for metric in component.metrics
            if not isinstance(metric, Recorded)
            for name in metric.series
        }
        - _AUTOMATIC
    )


def _job(catalogue: Catalogue, scrape: Scrape) -> str:
    job: dict[str, Any] = {"job_name": scrape.job}
    if scrape.honor_labels:
        job["honor_labels"] = True
    if scrape.path != "/metrics":
        job["metrics_path"] = scrape.path
    if scrape.params:
        job["params"] = {name: list(values) for name, values in scrape.params.items()}
    job["file_sd_configs"] = [{"files": [f"targets/{scrape.targets or scrape.job}.yml"]}]
    says = _comment(scrape.says)
    if scrape.keep_all:
        return textwrap.indent(
            f"{says}{_comment(f'All is stored: {scrape.keep_all}')}{yaml_text.dump([job])}", "  "
        )
    return textwrap.indent(
        says + yaml_text.dump([job]) + textwrap.indent(_keep(kept(catalogue, scrape)), "  "), "  "
    )


def _keep(names: list[str]) -> str:
    """Return the list with one name in each line, so that a review sees which came and went."""
    if not names:
        return (
            "# No metric of the catalogue comes from here: only whether it answers is stored.\n"
            "metric_relabel_configs:\n"
            "  - source_labels: [__name__]\n"
            "    action: drop\n"
        )
    # A backslash at the end joins the lines without a blank.
    lines = "|\\\n".join(f"      {name}" for name in names)
    return (
        "metric_relabel_configs:\n"
        "  - source_labels: [__name__]\n"
        "    action: keep\n"
        f'    regex: "\\\n{lines}"\n'
    )


def _comment(text: str) -> str:
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 90))
