# SPDX-License-Identifier: Apache-2.0
"""Counts one bucket, its objects by class and then its unfinished uploads, from where it was."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from otel_setup.storage.failing import code, is_answer, may_pass
from otel_setup.storage.listing import BrokenListing, Listing
from otel_setup.storage.state import Amount, Progress, Result

log = logging.getLogger(__name__)


class Counting:
    """
    Counts what *listing* shows; *class_of* tells the class of a key.

    *keep* is called after each step, when the progress is whole.
    """

    def __init__(
        self, listing: Listing, class_of: Callable[[str], str], keep: Callable[[Progress], None]
    ) -> None:
        self._listing = listing
        self._class_of = class_of
        self._keep = keep
        self._unlisted: set[str] = set()

    def count(self, bucket: str, progress: Progress) -> Result:
        """Go on with *progress* to the end of *bucket*; what the storage raises goes through."""
        if not progress.listed:
            for page in self._listing.objects(bucket, progress.after):
                self._add(page, progress)
                self._keep(progress)
            progress.listed = True
        unfinished = self._unfinished(bucket, progress)
        return Result(sizes=dict(progress.sizes), unfinished=unfinished, time=time.time())

    def _add(self, page: list[tuple[str, int]], progress: Progress) -> None:
        sums: dict[str, list[int]] = {}
        for key, size in page:
            found = sums.setdefault(self._class_of(key), [0, 0])
            found[0] += size
            found[1] += 1
        for name, (size, count) in sums.items():
            progress.sizes[name] = progress.sizes.get(name, Amount()) + Amount(size, count)
        if page:
            progress.after = page[-1][0]

    def _unfinished(self, bucket: str, progress: Progress) -> Amount | None:
        of_key = Amount()
        try:
            for uploads in self._listing.uploads(bucket, progress.upload):
                for upload in uploads.ids:
                    of_key += self._parts(bucket, uploads.key, upload)
                if uploads.last:
                    progress.unfinished += of_key
                    progress.upload, of_key = uploads.key, Amount()
                    self._keep(progress)
        except Exception as error:
            if not _is_refused(error):
                raise
            self._tell_unlisted(bucket, error)
            return None
        self._unlisted.discard(bucket)
        return progress.unfinished

    def _parts(self, bucket: str, key: str, upload: str) -> Amount:
        try:
            return Amount(self._listing.parts(bucket, key, upload), 1)
        except Exception as error:
            if code(error) != "NoSuchUpload":  # it has ended since it was listed
                raise
            return Amount()

    def _tell_unlisted(self, bucket: str, error: Exception) -> None:
        if bucket not in self._unlisted:
            self._unlisted.add(bucket)
            log.warning(
                "unfinished uploads of bucket %s are not known: %s. The scanner needs "
                "s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts.",
                bucket,
                error,
            )


def _is_refused(error: Exception) -> bool:
    """Tell whether the storage does not list uploads, or not to us; sizes are known without."""
    return isinstance(error, BrokenListing) or (
        code(error) != "NoSuchBucket" and is_answer(error) and not may_pass(error)
    )
