# SPDX-License-Identifier: Apache-2.0
"""A Prometheus of one test: what it stores is seen by nobody else."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO, Any

from tests import built
from tests.programs import free_port


class Prometheus:
    """
    A Prometheus of the test alone, which takes OTLP and scrapes the page at *page*, if any.

    It evaluates *rules*, the text of a file of rules, every second, and is started with the
    optional *features*. Attributes of resources that are *promoted* become labels.
    """

    def __init__(
        self,
        folder: Path,
        page: int | None = None,
        rules: str = "",
        features: tuple[str, ...] = ("exemplar-storage", "created-timestamp-zero-ingestion"),
        promoted: tuple[str, ...] = (),
    ) -> None:
        self._features = features
        self.url = f"http://127.0.0.1:{free_port()}"
        target = f"'127.0.0.1:{page}'" if page else ""
        (folder / "rules.yml").write_text(rules)
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            "rule_files: [rules.yml]\n"
            # As the company's has it: the zero that a count begins with may come late.
            "storage: {tsdb: {out_of_order_time_window: 1h}}\n"
            "otlp:\n"
            "  promote_scope_metadata: true\n"
            f"  promote_resource_attributes: {json.dumps(promoted)}\n"
            "scrape_configs:\n"
            "  - job_name: direct\n"
            f"    static_configs: [{{targets: [{target}]}}]\n"
        )
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = self._start(folder, log)

    def _start(self, folder: Path, log: IO[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                built.path("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--web.enable-otlp-receiver",
                *(f"--enable-feature={each}" for each in self._features),
            ],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data that the API answers; None while it is not there."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=5) as answer:  # noqa: S310 - our own
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def wait_for(self, path: str, **parameters: str) -> Any:
        """Return the first answer that is not empty."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            data = self.ask(path, **parameters)
            found = data.get("result") if isinstance(data, dict) else data
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(f"{path} {parameters} has no answer: {self.log.read_text()[-2000:]}")
