# SPDX-License-Identifier: Apache-2.0
"""Scrape jobs of Prometheus, rendered from the catalogue of a bakery."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import built
import pytest
import sample_catalogue as sample
import yaml

from otel_setup.catalogue.whole import Catalogue, Scrape
from otel_setup.render import scrape

BAKERY = sample.CATALOGUE
SHOP, OVEN = BAKERY.components


def jobs(catalogue: Catalogue) -> dict[str, Any]:
    """Return the scrape jobs as Prometheus reads them, by name."""
    found = yaml.safe_load(scrape.pages(catalogue)["prometheus/scrape.yml"])["scrape_configs"]
    return {job.pop("job_name"): job for job in found}


def test_a_job_keeps_what_its_components_know() -> None:
    """All parts of a histogram, and nothing that a rule computes."""
    catalogue = dataclasses.replace(
        BAKERY,
        components=tuple(dataclasses.replace(each, scraped=("oven",)) for each in (SHOP, OVEN)),
    )
    assert jobs(catalogue) == {
        "oven": {
            "file_sd_configs": [{"files": ["targets/oven.yml"]}],
            "metric_relabel_configs": [
                {
                    "source_labels": ["__name__"],
                    "action": "keep",
                    "regex": "bakery_baking_duration_seconds_bucket"
                    "|bakery_baking_duration_seconds_count"
                    "|bakery_baking_duration_seconds_sum"
                    "|bakery_breads_sold_total"
                    "|oven_heat_ratio",
                }
            ],
        }
    }


def test_a_job_has_all_that_its_entry_says() -> None:
    """Path, parameters, targets of another name, labels that win."""
    job = Scrape(
        job="oven",
        says="Hot.",
        path="/metrics/detailed",
        params={"family": ("queue", "channel")},
        targets="kitchen",
        honor_labels=True,
    )
    found = jobs(dataclasses.replace(BAKERY, scrapes=(job,)))["oven"]
    del found["metric_relabel_configs"]
    assert found == {
        "honor_labels": True,
        "metrics_path": "/metrics/detailed",
        "params": {"family": ["queue", "channel"]},
        "file_sd_configs": [{"files": ["targets/kitchen.yml"]}],
    }


def test_a_job_that_keeps_all_says_why() -> None:
    """Its reason stands in the file, and no list."""
    job = Scrape(job="oven", says="Hot.", keep_all="it is small")
    page = scrape.pages(dataclasses.replace(BAKERY, scrapes=(job,)))["prometheus/scrape.yml"]
    assert "  # Hot.\n  # All is stored: it is small\n  - job_name: oven\n" in page
    assert "metric_relabel_configs" not in page


def test_a_job_of_no_component_stores_only_that_it_answers() -> None:
    """The series ``up`` is made by Prometheus itself, after the list."""
    bare = tuple(dataclasses.replace(each, scraped=()) for each in BAKERY.components)
    catalogue = dataclasses.replace(BAKERY, components=bare)
    assert jobs(catalogue)["oven"]["metric_relabel_configs"] == [
        {"source_labels": ["__name__"], "action": "drop"}
    ]


def test_without_scrape_jobs_there_is_no_file() -> None:
    """The user's Prometheus scrapes already."""
    bare = dataclasses.replace(BAKERY, scrapes=())
    assert scrape.pages(bare) == {}


@pytest.mark.stack
def test_prometheus_accepts_what_is_rendered(tmp_path: Path) -> None:
    """Without one complaint; it looks for targets beside the file that names them."""
    pages = {Path(name).name: text for name, text in scrape.pages(BAKERY).items()}
    pages["prometheus.yml"] = "scrape_config_files: [scrape.yml]\n"
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    found = built.run("promtool", "check", "config", "--lint=all", tmp_path / "prometheus.yml")
    assert (found.returncode, found.stderr) == (0, "")
    assert f'"{tmp_path}/targets/oven.yml" for file_sd in scrape job "oven"' in found.stdout
