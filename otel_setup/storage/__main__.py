# SPDX-License-Identifier: Apache-2.0
"""``python -m otel_setup.storage`` scans buckets and publishes their sizes until it is ended."""

import sys

from otel_setup.storage.command import main

if __name__ == "__main__":
    sys.exit(main())
