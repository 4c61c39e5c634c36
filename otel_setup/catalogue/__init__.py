# SPDX-License-Identifier: Apache-2.0
"""
What is measured, as data: one entry per metric.

An entry states the metric's kind, unit, reason and labels once; code takes its
instrument from the entry, so that a name or a unit cannot differ between the
code, a dashboard and the documentation.
"""
