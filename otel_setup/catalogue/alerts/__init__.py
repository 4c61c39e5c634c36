# SPDX-License-Identifier: Apache-2.0
"""Alerts with their runbooks about what `otel_setup.catalogue` measures, a module for each part."""
