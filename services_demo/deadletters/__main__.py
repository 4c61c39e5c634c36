# SPDX-License-Identifier: Apache-2.0
"""Starts the command: ``python -m services_demo.deadletters``."""

import sys

from services_demo.deadletters.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
