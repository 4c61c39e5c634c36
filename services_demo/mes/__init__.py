# SPDX-License-Identifier: Apache-2.0
"""The manufacturing system: prices orders, and operators make them."""
