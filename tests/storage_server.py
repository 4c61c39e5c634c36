# SPDX-License-Identifier: Apache-2.0
"""An S3 storage of the tests alone, which they may fill, stop and look into."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from services_demo.stack import infrastructure, layout
from services_demo.stack.errors import NotReady

_REGION = "us-east-1"
#: A line of its log: bucket, time, who asked, operation, key, path, and how it was answered.
_SERVED = re.compile(
    r"\S+ (?P<bucket>\S+) \[[^]]+\] \S+ \S+ \S+ s3_(?P<operation>\w+) .* (?P<status>\d{3}) "
    r"\S+ \d+ \d+ \d+ \d+ "
)
#: Digits alone would be taken for an id.
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


class StorageServer:
    """
    A versitygw with the settings of the native stack, on a free port and in *folder*.

    It ends with the process that started it, however that ends. A context manager.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = layout.new(
            {
                "STACK_DIR": str(folder),
                "STACK_PORTS": "free",
                "STACK_BUILD_DIR": os.environ.get("STACK_BUILD_DIR", ""),
            }
        )
        self._layout.logs.mkdir(parents=True, exist_ok=True)
        #: Where the objects lie as files: a folder per bucket.
        self.objects = folder / "s3" / "objects"
        for each in (self.objects, folder / "s3" / "attributes"):
            each.mkdir(parents=True, exist_ok=True)
        programs = {each.name: each for each in infrastructure.programs(self._layout)}
        self._program = programs["versitygw"]
        self._log = self._layout.logs / "versitygw.log"
        self._access_log = self._layout.logs / "access.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._session = boto3.Session(
            aws_access_key_id=self.user,
            aws_secret_access_key=self.secret,
            region_name=_REGION,
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port of the S3 API."""
        return self._layout.port("s3")

    @property
    def url(self) -> str:
        """The address of the S3 API."""
        return self._layout.url("s3")

    @property
    def user(self) -> str:
        """The access key; its secret is `secret`."""
        return infrastructure.S3_USER

    @property
    def secret(self) -> str:
        """The secret key of `user`."""
        return self._layout.secret

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which boto3 signs in."""
        return {
            "AWS_ACCESS_KEY_ID": self.user,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": _REGION,
        }

    # Its life.

    def start(self) -> None:
        """Start it, with all that it had before."""
        # The kernel ends it when this process is gone, also when that was killed.
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._program.command],
                env={
                    **os.environ,
                    **self._program.environment,
                    "LOGFILE": str(self._access_log),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + self._program.ready_within
        while True:
            try:
                self._program.ready()
            except NotReady as reason:
                if self._process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                last = self._log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"versitygw does not serve: {reason}\n{last}") from None
            return

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal; what it stored stays."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def requests(self, bucket: str) -> Counter[tuple[str, int]]:
        """Return how often it served each operation in *bucket* with each status, by its log."""
        found: Counter[tuple[str, int]] = Counter()
        for line in self._access_log.read_text().splitlines():
            served = _SERVED.match(line)
            if served and served["bucket"] == bucket:
                found[served["operation"], int(served["status"])] += 1
        return found

    # Whom it serves.

    def client(self, url: str = "", *, verify: str | None = None, **options: Any) -> Any:
        """
        Return a boto3 client of it, or of it behind another *url* with the certificate *verify*.

        *options* are those of botocore's Config. By default it tries three times.
        """
        return self._session.client("s3", verify=verify, **self._arguments(url, options))

    def resource(self, url: str = "", **options: Any) -> Any:
        """Return a boto3 resource of it; the arguments are those of `client`."""
        return self._session.resource("s3", **self._arguments(url, options))

    def bucket(self) -> str:
        """Make a bucket that no other test has, and return its name."""
        name = f"test-{uuid.uuid4().hex[:12].translate(_LETTERS)}"
        self.client().create_bucket(Bucket=name)
        return name

    def _arguments(self, url: str, options: dict[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {
            "connect_timeout": 5,
            "read_timeout": 60,
            "retries": {"total_max_attempts": 3, "mode": "standard"},
            "s3": {"addressing_style": "path"},
        }
        return {"endpoint_url": url or self.url, "config": Config(**(known | options))}
