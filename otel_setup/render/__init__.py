# SPDX-License-Identifier: Apache-2.0
"""Documents made from data. For development: nothing that runs in a service imports it."""
