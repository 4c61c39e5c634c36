# SPDX-License-Identifier: Apache-2.0
"""
Pictures of dashboards for people without Grafana.

They are drawn from Grafana's own JSON, with the data of a running Prometheus, so that what
they show is what Grafana would. For development: matplotlib is imported when one is drawn.
"""
