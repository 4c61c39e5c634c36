# SPDX-License-Identifier: Apache-2.0
"""Rules of Prometheus: one file for each component, recordings before the alerts that read them."""

from __future__ import annotations

from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import yaml_text
from otel_setup.render.rule_groups import groups

_HEADER = yaml_text.header()


def pages(catalogue: Catalogue) -> dict[str, str]:
    """Return the rule files of *catalogue* by path: ``prometheus/rules/<component>.yml``."""
    return {
        f"prometheus/rules/{name}.yml": f"{_HEADER}\n{yaml_text.dump({'groups': found})}"
        for name, found in groups(catalogue).items()
    }
