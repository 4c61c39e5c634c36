# SPDX-License-Identifier: Apache-2.0
"""
Scans buckets one after the other, page by page, and remembers what it found.

A bucket that cannot be scanned is counted and passed over; what was known of it stays, with its
age. A scan that was interrupted goes on where it was, in the next process too.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from otel_setup import instrument, untraced
from otel_setup.catalogue.entries import storage as catalogue
from otel_setup.storage.counting import Counting
from otel_setup.storage.failing import Failing, code, may_pass
from otel_setup.storage.listing import PAGE, Listing, Pace, Stopped, connect
from otel_setup.storage.settings import MOST_BUCKETS, ScanSettings
from otel_setup.storage.state import Amount, Progress, Result, StateFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

DURATION = instrument(catalogue.SCAN_DURATION)
PAGES = instrument(catalogue.SCAN_PAGES)

#: Stands for the bucket when the storage does not even say which there are.
EVERY = "*"

#: Seconds between two writes of the state while a bucket is scanned.
_SAVE_SECONDS = 3.0

#: Partial sums that are older would mix two days of one bucket; a long interval allows more.
_CONTINUE_SECONDS = 3600.0


class Scanner:
    """
    The buckets of *settings*, scanned by `scan` or again and again by `run`.

    Everything that it has found may be read from other threads. *stop* ends it after the page
    that it is at. *client* is one of botocore, made of the settings when None; *page* is how many
    entries are asked for at once.
    """

    def __init__(
        self,
        settings: ScanSettings,
        *,
        client: S3Client | None = None,
        stop: threading.Event | None = None,
        page: int = PAGE,
    ) -> None:
        self.settings = settings
        self._stop = stop or threading.Event()
        self._pace = Pace(settings.pages_per_second, self._stop)
        self._listing = Listing(client or connect(settings), self._asked, page)
        self._counting = Counting(self._listing, settings.classify(), self._keep)
        classes = sorted(settings.classes.items())
        self._file = StateFile(settings.state_file, json.dumps([settings.endpoint, classes]))
        self._state = self._file.load()
        self._interrupted, self._loaded = set(self._state.progress), set(self._state.results)
        self._failing = Failing()
        self._too_many = False
        self._begun = self._saved = time.monotonic()

    @property
    def results(self) -> Mapping[str, Result]:
        """The last scan of each bucket that came to its end."""
        return dict(self._state.results)

    @property
    def failures(self) -> Mapping[str, int]:
        """How many scans of each bucket have failed in a row."""
        return self._failing.in_a_row

    def run(self) -> None:
        """Scan all buckets once in each interval, until the event *stop* is set."""
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self.scan()
            except Stopped:
                return
            self._stop.wait(max(0.0, self.settings.interval - (time.monotonic() - begun)))

    def scan(self) -> None:
        """
        Scan every bucket but those that a process before this one has just scanned.

        Raises:
            Stopped: the event *stop* was set; what was counted so far is kept.
        """
        try:
            with untraced():
                for bucket in self._buckets():
                    if not self._is_fresh(bucket):
                        self._scan(bucket)
        finally:
            self._save()

    def _buckets(self) -> tuple[str, ...]:
        """Return what is to be scanned now, and forget all else."""
        names = self.settings.buckets
        if not names:
            try:
                found = sorted(self._listing.buckets())
            except Exception as error:  # noqa: BLE001 - told as a failure of all that are known
                for name in self._state.results or (EVERY,):
                    self._failed(name, error, 0.0)
                return ()
            names = tuple(found[:MOST_BUCKETS])
            self._tell_too_many(found[MOST_BUCKETS:])
        self._state.keep(names)
        self._failing.keep(names)
        return names

    def _tell_too_many(self, left: list[str]) -> None:
        if left and not self._too_many:
            log.warning(
                "%d buckets are not scanned, %s is the first: a scanner takes %d. Name some in "
                "STORAGE_SCAN_BUCKETS, and start another for the rest.",
                len(left),
                left[0],
                MOST_BUCKETS,
            )
        self._too_many = bool(left)

    def _is_fresh(self, bucket: str) -> bool:
        """Tell whether the process before this one has just scanned *bucket*."""
        if bucket not in self._loaded or bucket in self._state.progress:
            return False
        self._loaded.discard(bucket)
        return 0 <= time.time() - self._state.results[bucket].time < self.settings.interval / 2

    def _scan(self, bucket: str) -> None:
        progress = self._progress(bucket)
        # As if all of it had happened in this process.
        self._begun = time.monotonic() - progress.spent
        try:
            result = self._counting.count(bucket, progress)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - the other buckets are scanned all the same
            if not may_pass(error):
                del self._state.progress[bucket]
            if code(error) == "NoSuchBucket":
                self._forget_sizes(bucket)
            self._failed(bucket, error, time.monotonic() - self._begun)
        else:
            del self._state.progress[bucket]
            self._remember(bucket, result)
            DURATION.record(time.monotonic() - self._begun, {"aws.s3.bucket": bucket})
            self._failing.worked(bucket)
            self._save_sometimes()

    def _progress(self, bucket: str) -> Progress:
        """Return where to begin: where the last scan was interrupted, unless that is long ago."""
        found = self._state.progress.get(bucket)
        longest = max(_CONTINUE_SECONDS, self.settings.interval)
        usable = found is not None and 0 <= time.time() - found.time < longest
        if bucket in self._interrupted:
            self._interrupted.discard(bucket)
            how = "goes on where it was" if usable else "begins anew, since it was long ago"
            log.info("the interrupted scan of bucket %s %s", bucket, how)
        if found is not None and usable:
            return found
        empty = dict.fromkeys(self.settings.class_names, Amount())
        begun = Progress(sizes=empty, time=time.time())
        self._state.progress[bucket] = begun
        return begun

    def _remember(self, bucket: str, result: Result) -> None:
        # A new dictionary, since an export may be reading the old one.
        self._state.results = {**self._state.results, bucket: result}

    def _forget_sizes(self, bucket: str) -> None:
        """Nothing is there any more. That it was to be scanned is told by its growing age."""
        if known := self._state.results.get(bucket):
            self._remember(bucket, replace(known, sizes={}, unfinished=None))

    def _failed(self, bucket: str, error: Exception, seconds: float) -> None:
        DURATION.record(seconds, {"aws.s3.bucket": bucket, "error.type": code(error)})
        self._failing.failed(bucket, error)

    def _asked(self, bucket: str) -> None:
        self._pace.wait()
        PAGES.add(1, {"aws.s3.bucket": bucket})

    def _keep(self, progress: Progress) -> None:
        progress.spent, progress.time = time.monotonic() - self._begun, time.time()
        self._save_sometimes()

    def _save_sometimes(self) -> None:
        if time.monotonic() - self._saved >= _SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        self._file.save(self._state)
