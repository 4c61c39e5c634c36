# SPDX-License-Identifier: Apache-2.0
"""Makes the operators' list of orders slow on purpose, for whoever learns to find out why."""
