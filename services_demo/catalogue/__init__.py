# SPDX-License-Identifier: Apache-2.0
"""
The company's catalogue: its own metrics and alerts, its questions, objectives and dashboards.

Each service takes its instruments from the module of its name; `bus` holds what the services
share. `company` puts everything together with the metrics of the infrastructure.
"""
