# SPDX-License-Identifier: Apache-2.0
"""
``otel-setup doctor``: why telemetry is missing, and where it stops.

It looks at the environment that it is started in, follows the way to the Collector step by
step, and can send marked data to see them arrive.
"""
