# SPDX-License-Identifier: Apache-2.0
"""
Metrics that programs expose to Prometheus by themselves, and what rules record from them.

Prometheus keeps of a scrape only what stands here. Panels and alerts about the same metrics
stand in the modules of the same name one level up.
"""
