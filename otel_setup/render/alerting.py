# SPDX-License-Identifier: Apache-2.0
"""
The configuration of Alertmanager: whom to tell is written by hand, what to hold back is not.

An alert that is only the consequence of another is held back while the other fires. The
catalogue says of which (``inhibited_by``); there is no rule that lets every critical alert hold
back the warnings of its component, since one fault does not explain all others.
"""

from __future__ import annotations

from typing import Any

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import yaml_text
from otel_setup.render.page import RenderError

PATH = "alertmanager/alertmanager.yml"

#: The hand-written part, beside the file that is made from it.
ROUTES = "alertmanager/routes.yml"

_DEFAULT = """\
route:
  receiver: nobody
  group_by: [alertname, component]
receivers:
  - name: nobody
"""
_NOBODY = "No routes were given, so nobody is told: write routes.yml beside this file."


def pages(catalogue: Catalogue, routes: str = "") -> dict[str, str]:
    """
    Return the configuration of Alertmanager by path: ``alertmanager/alertmanager.yml``.

    *routes* is the hand-written part, a configuration of Alertmanager as it stands; its own
    ``inhibit_rules`` stay, before those of the catalogue. Without it nobody is told.

    Raises:
        RenderError: *routes* has no ``route`` or no ``receivers``, or is no YAML.
    """
    says = () if routes else (_NOBODY,)
    configuration = yaml_text.load(routes or _DEFAULT, "routes.yml")
    for key in ("route", "receivers"):
        if not configuration.get(key):
            raise RenderError(
                f"routes.yml: it has no {key!r}. Expected a configuration of Alertmanager with "
                "'route' and 'receivers'."
            )
    own = configuration.pop("inhibit_rules", None) or []
    made = [_inhibition(alert) for alert in catalogue.alerts.values() if alert.inhibited_by]
    if own or made:
        configuration["inhibit_rules"] = [*own, *made]
    header = yaml_text.header("Whom to tell stands in routes.yml.", *says)
    return {PATH: f"{header}\n{yaml_text.dump(configuration)}"}


def _inhibition(alert: Alert) -> dict[str, Any]:
    causes = "|".join(alert.inhibited_by)
    rule: dict[str, Any] = {
        "source_matchers": [f'alertname{"=~" if "|" in causes else "="}"{causes}"'],
        "target_matchers": [f'alertname="{alert.name}"'],
    }
    if alert.inhibited_on:
        rule["equal"] = list(alert.inhibited_on)
    return rule
