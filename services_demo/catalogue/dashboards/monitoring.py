# SPDX-License-Identifier: Apache-2.0
"""The monitoring itself."""

from __future__ import annotations

from otel_setup.catalogue import (
    alertmanager,
    collector,
    programs,
    prometheus,
    scraping,
)
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.model import Text

TELEMETRY = Dashboard(
    slug="telemetry",
    title=Text("Telemetry itself", "Сама телеметрия"),
    asks=Text(
        "Does everything that is measured arrive, and would an alert?",
        "Доходит ли всё измеренное и дойдёт ли алерт?",
    ),
    sections=(
        Section(
            title=Text("Does the Collector pass everything on?", "Всё ли передаёт Collector?"),
            panels=(
                collector.received(rows=("P1", "P4")),
                collector.exported(),
                collector.refused(),
                collector.lost(),
            ),
        ),
        Section(
            title=Text("Does everybody answer?", "Все ли отвечают?"),
            panels=(
                collector.queue(leads_to="monitoring"),
                collector.silence(leads_to="services"),
                scraping.targets(),
                scraping.scrape_time(),
            ),
        ),
        Section(
            title=Text("Would an alert arrive?", "Дойдёт ли алерт?"),
            panels=(
                prometheus.firing(),
                prometheus.notifications(rows=("P2",)),
                prometheus.rules_broken(),
                prometheus.rule_time(leads_to="monitoring"),
            ),
        ),
        Section(
            title=Text("Who was told?", "Кому сообщили?"),
            panels=(
                alertmanager.known(),
                alertmanager.told(),
                alertmanager.failed(),
                alertmanager.delay(),
            ),
        ),
    ),
)

MONITORING = Dashboard(
    slug="monitoring",
    title=Text("What the monitoring costs", "Чего стоит мониторинг"),
    asks=Text(
        "How much do the Collector, Prometheus and the exporters need?",
        "Сколько ресурсов нужно Collector, Prometheus и экспортерам?",
    ),
    sections=(
        Section(
            title=Text("CPU and memory", "Процессор и память"),
            panels=(collector.cpu(), collector.memory(), programs.cpu(), programs.memory()),
        ),
        Section(
            title=Text("What is stored?", "Что сохраняется?"),
            panels=(
                prometheus.series(),
                prometheus.samples(),
                prometheus.samples_refused(),
                prometheus.storage(),
            ),
        ),
        Section(
            title=Text("Where does it come from?", "Откуда это берётся?"),
            panels=(scraping.samples_by_job(), scraping.new_series()),
        ),
        Section(
            title=Text("Does something pile up?", "Не копится ли что-нибудь?"),
            panels=(programs.files(), programs.goroutines(), programs.uptime()),
        ),
    ),
)
