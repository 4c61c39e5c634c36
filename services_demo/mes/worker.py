# SPDX-License-Identifier: Apache-2.0
"""
Starts the MES's worker: ``python -m services_demo.mes.worker``.

Each pricing process imports this module again, so it imports the rest only when it is
the worker: a process that computes prices needs neither broker nor database.
"""

import sys


def main() -> int | str:
    """Run until SIGTERM; return the exit code, or what is wrong with the configuration."""
    from services_demo.configuration import ConfigurationError  # noqa: PLC0415
    from services_demo.mes.service import run  # noqa: PLC0415

    try:
        return run()
    except ConfigurationError as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main())
