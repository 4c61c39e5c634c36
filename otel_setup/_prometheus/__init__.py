# SPDX-License-Identifier: Apache-2.0
"""
The /metrics page of a process that Prometheus scrapes itself.

The reader of opentelemetry-exporter-prometheus puts values under wrong labels when two scopes
share a name, fails on exponential histograms, and knows no exemplars. This one has the same
names as Prometheus' OTLP endpoint, so that dashboards need not know which way a metric came.
"""

from otel_setup._prometheus.reader import PageReader

__all__ = ["PageReader"]
