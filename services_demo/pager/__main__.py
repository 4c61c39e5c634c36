# SPDX-License-Identifier: Apache-2.0
"""``python -m services_demo.pager``: serve the notification page."""

from __future__ import annotations

import logging
import os
import signal
import sys

from services_demo.pager import settings
from services_demo.pager.server import Pager


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; 2 when the environment cannot be used."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        given = settings.read(os.environ)
    except settings.ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        pager = Pager(given)
    except OSError as error:
        sys.stderr.write(
            f"PAGER_HOST={given.host!r} PAGER_PORT={given.port}: {error.strerror}. "
            "Choose another port.\n"
        )
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logging.getLogger(__name__).info("listening on http://%s:%d", given.host, given.port)
    try:
        pager.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        pager.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
