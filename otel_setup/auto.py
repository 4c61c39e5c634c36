# SPDX-License-Identifier: Apache-2.0
"""``import otel_setup.auto`` on the first line of a program is `setup` from the environment."""

from otel_setup.bootstrap import setup

handle = setup()
