# SPDX-License-Identifier: Apache-2.0
"""
The entries of metrics, and nothing else.

Every instrumented process imports those that it makes, so they stay light: panels stand in the
modules of the same name one level up, alerts and runbooks in `otel_setup.catalogue.alerts`.
"""
