# SPDX-License-Identifier: Apache-2.0
"""
The company's dashboards: few panels each, in the order in which one asks.

The overview says whether the business flows and what is stuck; from its panels one gets to the
part that is to blame.
"""

from __future__ import annotations

from otel_setup.catalogue import services, storage
from services_demo.catalogue.dashboards import apis, business, messages, monitoring, stores

DASHBOARDS = (
    business.OVERVIEW,
    apis.SHOP,
    apis.MES,
    apis.ORDER_LIST,
    messages.RABBITMQ,
    messages.DEAD_LETTERS,
    messages.BROKER,
    stores.S3,
    storage.dashboard(rows=("F1",)),
    stores.DATABASES,
    stores.POSTGRESQL,
    apis.CRM_HOSTS,
    apis.HOSTS,
    *services.DASHBOARDS,
    business.SLOS,
    monitoring.TELEMETRY,
    monitoring.MONITORING,
)
