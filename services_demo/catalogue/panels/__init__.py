# SPDX-License-Identifier: Apache-2.0
"""Panels about the company's own metrics; `dashboards` arranges them with those of the parts."""

from services_demo.catalogue.panels.common import sessions
from services_demo.catalogue.panels.deadletters import (
    letters_age,
    letters_handled,
    letters_kept,
    letters_left,
    letters_waiting,
)
from services_demo.catalogue.panels.journey import (
    event_delay,
    event_failures,
    flow,
    orders_by_state,
    outboxes,
    stuck,
    told,
    until_told,
)
from services_demo.catalogue.panels.manufacturing import (
    calculation_errors,
    calculation_time,
    calculations,
    refused,
    refused_why,
    saturation,
    tasks,
    transitions,
    unreadable_models,
    until_priced,
)
from services_demo.catalogue.panels.ordering import (
    compared,
    file_failures,
    last_hour,
    mesh_cpu,
    ordering_errors,
    ordering_share,
    placed,
)

__all__ = [
    "calculation_errors",
    "calculation_time",
    "calculations",
    "compared",
    "event_delay",
    "event_failures",
    "file_failures",
    "flow",
    "last_hour",
    "letters_age",
    "letters_handled",
    "letters_kept",
    "letters_left",
    "letters_waiting",
    "mesh_cpu",
    "ordering_errors",
    "ordering_share",
    "orders_by_state",
    "outboxes",
    "placed",
    "refused",
    "refused_why",
    "saturation",
    "sessions",
    "stuck",
    "tasks",
    "told",
    "transitions",
    "unreadable_models",
    "until_priced",
    "until_told",
]
