# SPDX-License-Identifier: Apache-2.0
"""What the telemetry costs, measured by running it. Neither tests nor part of the package."""
