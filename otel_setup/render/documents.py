# SPDX-License-Identifier: Apache-2.0
"""The documents made from a catalogue, in every language: metrics, alerts, dashboards."""

from __future__ import annotations

from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import alerts_page, dashboards_page, links, metrics_page
from otel_setup.render.language import LANGUAGES


def pages(catalogue: Catalogue) -> dict[str, str]:
    """Return the pages of *catalogue* by their path below the folder of the documents."""
    made = {
        links.METRICS: metrics_page.page,
        links.ALERTS: alerts_page.page,
        links.DASHBOARDS: dashboards_page.page,
    }
    return {
        f"{language.folder}{name}": page(catalogue, language)
        for language in LANGUAGES
        for name, page in made.items()
    }
