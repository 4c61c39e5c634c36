# SPDX-License-Identifier: Apache-2.0
"""Runs mesh work in threads of its own, so that it cannot take those that orders need."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from otel_setup import instrument
from services_demo.catalogue import shop as catalogue
from services_demo.shop.models import NotAModel
from services_demo.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

_THREADS = 2

CPU_TIME = instrument(catalogue.MODEL_CPU_TIME)


class Workshop:
    """The threads for mesh work of one process; make it inside the event loop."""

    def __init__(self) -> None:
        self._limiter = anyio.CapacityLimiter(_THREADS)

    async def run(
        self, operation: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """
        Return what *work* returns, its CPU time counted as *operation*.

        Raises:
            ApiError: 422, the model cannot be used.
        """

        def measured() -> R:
            started = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                CPU_TIME.add(time.thread_time() - started, {"shop.model.operation": operation})

        try:
            return await anyio.to_thread.run_sync(measured, limiter=self._limiter)
        except NotAModel as error:
            raise ApiError(422, "not_a_model", str(error)) from None
