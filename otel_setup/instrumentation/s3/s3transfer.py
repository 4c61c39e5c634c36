# SPDX-License-Identifier: Apache-2.0
"""What is replaced in s3transfer: where a transfer begins and ends, and where its threads work."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_setup._guard import quiet
from otel_setup.instrumentation.patching import Replacement
from otel_setup.instrumentation.s3.managed import MANAGED, Managed

_KINDS = {
    "UploadSubmissionTask": "upload",
    "DownloadSubmissionTask": "download",
    "CopySubmissionTask": "copy",
}


class Transfers:
    """The transfers that are under way, by what s3transfer coordinates each with."""

    def __init__(self, *, keys: bool) -> None:
        self.active = True
        self._keys = keys
        self._known: weakref.WeakKeyDictionary[Any, tuple[Context, Managed | None]] = (
            weakref.WeakKeyDictionary()
        )

    def begin(self, task: type[Any], arguments: Any) -> tuple[Context, Managed | None] | None:
        """Begin with what *task* does; None where nothing is measured."""
        if not self.active or not is_instrumentation_enabled():
            return None
        kind = _KINDS.get(task.__name__)
        if kind is None:
            return otel_context.get_current(), None
        managed = Managed(kind, arguments, keys=self._keys)
        return managed.context, managed

    def bind(self, coordinator: Any, begun: tuple[Context, Managed | None]) -> None:
        """Remember what *coordinator* coordinates."""
        self._known[coordinator] = begun

    def of(self, coordinator: Any) -> tuple[Context, Managed | None] | None:
        """Return what *coordinator* coordinates."""
        return self._known.get(coordinator)


def _submit(transfers: Transfers) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def submit_transfer(
            self: Any, call_args: Any, submission_task_cls: Any, *args: Any, **kwargs: Any
        ) -> Any:
            begun = None
            with quiet("beginning with a transfer"):
                begun = transfers.begin(submission_task_cls, call_args)
            if begun is None:
                return original(self, call_args, submission_task_cls, *args, **kwargs)
            found = begun

            # Made before anything of the transfer runs.
            def task(**options: Any) -> Any:
                with quiet("noting a transfer"):
                    transfers.bind(options["transfer_coordinator"], found)
                return submission_task_cls(**options)

            try:
                return original(self, call_args, task, *args, **kwargs)
            except BaseException as error:
                with quiet("measuring a transfer that could not begin"):
                    if found[1] is not None:
                        found[1].end(error)
                raise

        return submit_transfer

    return make


def _work(transfers: Transfers) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            known = transfers.of(self._transfer_coordinator)
            if known is None:
                return original(self, *args, **kwargs)
            context, managed = known
            token = otel_context.attach(context)
            mine = MANAGED.set(managed)
            try:
                return original(self, *args, **kwargs)
            finally:
                MANAGED.reset(mine)
                otel_context.detach(token)

        return call

    return make


def _done(transfers: Transfers) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def announce_done(self: Any) -> Any:
            known = transfers.of(self)
            if known is not None and known[1] is not None:
                # What it does first itself: aborting the upload is a part of the transfer, and
                # who waits for it is to find it measured.
                if self.status != "success":
                    self._run_failure_cleanups()
                with quiet("measuring a transfer"):
                    known[1].end(None if self.status == "success" else self.exception)
            return original(self)

        return announce_done

    return make


def replacements(transfers: Transfers) -> Iterator[Replacement]:
    """Yield the methods of s3transfer, and what makes ours of them."""
    from s3transfer.futures import TransferCoordinator  # noqa: PLC0415 - the program may not use it
    from s3transfer.manager import TransferManager  # noqa: PLC0415
    from s3transfer.tasks import Task  # noqa: PLC0415

    yield TransferManager, "_submit_transfer", _submit(transfers)
    yield Task, "__call__", _work(transfers)
    yield TransferCoordinator, "announce_done", _done(transfers)
