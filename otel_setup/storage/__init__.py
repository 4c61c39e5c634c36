# SPDX-License-Identifier: Apache-2.0
"""
How much lies in the buckets of an S3 storage: a scanner that lists them gently.

``python -m otel_setup.storage`` runs it as a service. As a library::

    scanner = Scanner(ScanSettings(endpoint="http://127.0.0.1:7070", buckets=("models",)))
    scanner.scan()
    scanner.results["models"].sizes["other"].bytes

`publish` has the metrics of a scanner exported by a process that called `otel_setup.setup`.
"""

from otel_setup.storage.listing import Stopped
from otel_setup.storage.publishing import publish
from otel_setup.storage.scanner import Scanner
from otel_setup.storage.settings import ScanSettings
from otel_setup.storage.state import Amount, Result

__all__ = ["Amount", "Result", "ScanSettings", "Scanner", "Stopped", "publish"]
