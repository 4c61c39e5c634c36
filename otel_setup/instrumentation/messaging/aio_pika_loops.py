# SPDX-License-Identifier: Apache-2.0
"""
Loops over messages of aio-pika, and its block around the work on one.

An iterator keeps messages back and gives them out one by one: processing begins when a loop gets
a message and ends when it asks for the next one, or ends. Nobody is told when a loop is left, by
a break or by an exception. But then nobody has its iterator any more: so each loop gets one of
its own, whose end is that of the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import weakref
from collections.abc import Iterator
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_setup._guard import quiet
from otel_setup.instrumentation.messaging.beside import Beside
from otel_setup.instrumentation.messaging.consuming import Delivery
from otel_setup.instrumentation.patching import Replacement

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage
    from aio_pika.message import ProcessContext
    from aio_pika.queue import Queue, QueueIterator

#: The delivery that an iterator is about to keep.
ARRIVING: ContextVar[Delivery | None] = ContextVar("arriving", default=None)
_working: ContextVar[Work | None] = ContextVar("working", default=None)


class Work:
    """The work on one message, which ends once."""

    def __init__(self, delivery: Delivery, tag: object) -> None:
        self._delivery: Delivery | None = delivery
        self._tag = tag
        self._error: BaseException | None = None
        #: Whether somebody is sure to end it.
        self.is_watched = False
        delivery.begin()
        self._token: Token[Work | None] | None = _working.set(self)

    def failed(self, tag: object, error: BaseException) -> None:
        """Note that *error* left the block around the work on the message with *tag*."""
        if self._delivery is None or tag != self._tag:
            return
        # An exception holds the frames that it passed, and they much else: not for long.
        if self.is_watched:
            self._error = error
        else:
            self.end(error)

    def leave(self) -> None:
        """Leave its context: what follows is no part of it."""
        if self._delivery is not None:
            self._delivery.leave()
        token, self._token = self._token, None
        if token is not None:
            with contextlib.suppress(ValueError):  # it began in another context
                _working.reset(token)

    def end(self, error: BaseException | None) -> None:
        """End it; *error* is what ended it, if the block around it saw none."""
        self.leave()
        delivery, self._delivery = self._delivery, None
        seen, self._error = self._error, None
        if delivery is not None:
            delivery.end(seen or error)


class Loops:
    """What one iterator keeps, and what it gave to whom; it holds nobody of them."""

    def __init__(self) -> None:
        #: Deliveries of messages that it keeps, by the ids of these.
        self.kept: dict[int, Delivery] = {}
        #: Several tasks may share it, or ask it from one that only waits for the answer.
        self._given: list[tuple[weakref.ref[asyncio.Task[Any]], Work]] = []

    def give(self, delivery: Delivery, tag: object) -> None:
        """Begin the work of this task on a message with *tag*."""
        task = asyncio.current_task()
        if task is not None:
            self._given.append((weakref.ref(task), Work(delivery, tag)))

    def given(self) -> Work | None:
        """Return what this task works on."""
        current = asyncio.current_task()
        return next((work for task, work in self._given if task() is current), None)

    def finish(self, error: BaseException | None = None) -> None:
        """End what this task was given, with *error*, and what tasks were that are no more."""
        current = asyncio.current_task()
        others = []
        for reference, work in self._given:
            task = reference()
            if task is current:
                work.end(error)
            elif task is None or task.done():
                work.end(None)
            else:
                others.append((reference, work))
        self._given = others


_loops = Beside(lambda _: Loops())


class Iteration:
    """The iterator of one loop; it is *messages* in all but that it ends with the loop."""

    def __init__(self, messages: QueueIterator) -> None:
        self._messages = messages
        self._task: asyncio.Task[Any] | None = None
        self._work: Work | None = None

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Be taken for what it stands for."""
        return type(self._messages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._messages, name)

    def __aiter__(self) -> Iteration:
        return self

    async def __aenter__(self) -> Any:
        return await self._messages.__aenter__()

    async def __aexit__(self, *error: object) -> Any:
        return await self._messages.__aexit__(*error)  # type: ignore[arg-type]

    async def __anext__(self) -> AbstractIncomingMessage:
        self._work = None
        message = await self._messages.__anext__()
        with quiet("beginning with a message"):
            loops = _loops.known(self._messages)
            self._task, self._work = asyncio.current_task(), loops.given() if loops else None
            if self._work is not None:
                self._work.is_watched = True
        return message

    def __del__(self) -> None:
        work, task = self._work, self._task
        if work is None or task is None:
            return
        work.leave()
        # Not here: this may run amidst anything, also amidst what would be called now. And
        # whoever sees the exception that ended the loop says so first.
        with contextlib.suppress(RuntimeError):  # that loop has ended
            task.get_loop().call_soon_threadsafe(_end, work, task)


def _end(work: Work, task: asyncio.Task[Any]) -> None:
    with quiet("measuring a message that is done"):
        # Asking for it in the official way would say that somebody took care of it.
        work.end(getattr(task, "_exception", None) if task.done() else None)


def keeps(callback: Any) -> bool:
    """Tell whether *callback* only keeps the message for a loop that takes it later."""
    from aio_pika.queue import QueueIterator  # noqa: PLC0415 - the program may not use it

    if isinstance(callback, functools.partial) and callback.args:
        callback = callback.args[0]
    return isinstance(getattr(callback, "__self__", None), QueueIterator)


def _arrive(original: Any) -> Any:
    @functools.wraps(original)
    async def on_message(self: QueueIterator, message: AbstractIncomingMessage) -> Any:
        with quiet("noting a message that is kept"):
            delivery = ARRIVING.get()
            if delivery is not None:
                _loops.of(self).kept[id(message)] = delivery
        return await original(self, message)

    return on_message


def _next(original: Any) -> Any:
    @functools.wraps(original)
    async def anext_(self: QueueIterator) -> AbstractIncomingMessage:
        loops = _loops.of(self)
        with quiet("measuring a message that is done"):
            loops.finish()
        message: AbstractIncomingMessage = await original(self)
        with quiet("beginning with a message"):
            delivery = loops.kept.pop(id(message), None)
            if delivery is not None and is_instrumentation_enabled():
                loops.give(delivery, message.delivery_tag)
        return message

    return anext_


def _iterate(original: Any) -> Any:
    @functools.wraps(original)
    def aiter_(self: Queue | QueueIterator) -> Any:
        messages = original(self)
        return Iteration(messages) if is_instrumentation_enabled() else messages

    return aiter_


def _leave(original: Any) -> Any:
    @functools.wraps(original)
    async def aexit(self: QueueIterator, kind: Any, error: Any, traceback: Any) -> Any:
        with quiet("measuring a message that is done"):
            _loops.of(self).finish(error)
        return await original(self, kind, error, traceback)

    return aexit


def _close(original: Any) -> Any:
    @functools.wraps(original)
    async def close(self: QueueIterator, *args: Any) -> Any:
        loops = _loops.of(self)
        with quiet("measuring a message that is done"):
            loops.finish()
        try:
            return await original(self, *args)
        finally:
            loops.kept.clear()

    return close


def _processed(original: Any) -> Any:
    @functools.wraps(original)
    async def aexit(self: ProcessContext, kind: Any, error: Any, traceback: Any) -> Any:
        try:
            return await original(self, kind, error, traceback)
        finally:
            with quiet("noting that a message failed"):
                work = _working.get()
                if work is not None and error is not None:
                    work.failed(self.message.delivery_tag, error)

    return aexit


def replacements() -> Iterator[Replacement]:
    """Yield the methods of aio-pika, and what makes ours of them."""
    from aio_pika.message import ProcessContext  # noqa: PLC0415 - the program may not use it
    from aio_pika.queue import Queue, QueueIterator  # noqa: PLC0415
    from aio_pika.robust_queue import RobustQueueIterator  # noqa: PLC0415

    yield QueueIterator, "on_message", _arrive
    yield QueueIterator, "__anext__", _next
    if "__anext__" in vars(RobustQueueIterator):  # newer ones have one of their own
        yield RobustQueueIterator, "__anext__", _next
    yield QueueIterator, "__aiter__", _iterate
    yield Queue, "__aiter__", _iterate
    yield QueueIterator, "__aexit__", _leave
    yield QueueIterator, "close", _close
    yield ProcessContext, "__aexit__", _processed
