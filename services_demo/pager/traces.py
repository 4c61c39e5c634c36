# SPDX-License-Identifier: Apache-2.0
"""Find traces that show a fault: Prometheus keeps ids of traces beside its samples."""

from __future__ import annotations

import http.client
import json
import logging
import queue
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from services_demo.pager.notification import Key, Notification

log = logging.getLogger(__name__)

#: The annotation that holds the selector whose exemplars are traces of the fault.
ANNOTATION = "exemplars"

MOST = 3
_SECONDS = 2.0
_LARGEST = 1_000_000
_TRACE_ID = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{16})?")

#: Seconds to wait before each try, and how long before the alert's start it looks. The first
#: is nearly always enough and its answer small; an exemplar may also come after its sample.
_TRIES = ((0.0, 60.0), (3.0, 600.0), (10.0, 600.0))
_MOST_WAITING = 100


def newest(url: str, selector: str, start: float, end: float) -> tuple[str, ...]:
    """
    Ask the Prometheus at *url* for the exemplars of *selector* from *start* to *end*.

    Returns the ids of at most `MOST` traces, the newest first.

    Raises:
        OSError: Prometheus does not answer within 2 seconds.
        ValueError: it refuses the selector, or answers something else.
    """
    wanted = {"query": selector, "start": f"{start:.3f}", "end": f"{end:.3f}"}
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_SECONDS)
    try:
        connection.request("GET", f"{parts.path}/api/v1/query_exemplars?{urlencode(wanted)}")
        body = connection.getresponse().read(_LARGEST)
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP: {error!r}") from error
    finally:
        connection.close()
    return _ids(json.loads(body))


def _ids(answer: Any) -> tuple[str, ...]:
    try:
        if answer["status"] != "success":
            raise ValueError(str(answer.get("error"))[:200])
        exemplars = [each for series in answer["data"] for each in series["exemplars"]]
        exemplars.sort(key=lambda each: float(each["timestamp"]), reverse=True)
        found = [str(each["labels"].get("trace_id", "")) for each in exemplars]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"unexpected answer: {error!r}") from None
    return tuple(dict.fromkeys(each for each in found if _TRACE_ID.fullmatch(each)))[:MOST]


class _Search(NamedTuple):
    """One notification whose traces are wanted, and when to ask for them."""

    due: float
    tried: int
    notification: Notification


class Finder:
    """Looks for the traces of notifications in a thread of its own; nobody waits for it."""

    def __init__(self, url: str, found: Callable[[Key, tuple[str, ...]], None]) -> None:
        self._url = url
        self._found = found
        self._new: queue.Queue[_Search] = queue.Queue(_MOST_WAITING)
        threading.Thread(target=self._run, name="traces", daemon=True).start()

    def want(self, notification: Notification) -> None:
        """Have the traces of *notification* looked for, if its alert has any."""
        if not (notification.firing and notification.annotations.get(ANNOTATION)):
            return
        try:
            self._new.put_nowait(_Search(time.monotonic(), 0, notification))
        except queue.Full:
            log.warning("too many alerts at once: no traces for %s", notification.name)

    def _run(self) -> None:
        searches: list[_Search] = []
        while True:
            next_due = min((search.due for search in searches), default=None)
            pause = None if next_due is None else max(0.0, next_due - time.monotonic())
            with suppress(queue.Empty):
                searches.append(self._new.get(timeout=pause))
            now = time.monotonic()
            later = [search for search in searches if search.due > now]
            again = [self._ask(search) for search in searches if search.due <= now]
            searches = [*later, *(search for search in again if search)][:_MOST_WAITING]

    def _ask(self, search: _Search) -> _Search | None:
        """Ask Prometheus; return what is left to do, if anything is."""
        _due, tried, notification = search
        start = notification.starts_at - _TRIES[tried][1]
        try:
            ids = newest(self._url, notification.annotations[ANNOTATION], start, time.time())
        except (OSError, ValueError) as error:
            log.warning("no traces for %s: %s", notification.name, error)
            ids = ()
        if ids:
            self._found(notification.key, ids)
        elif tried + 1 < len(_TRIES):
            return _Search(time.monotonic() + _TRIES[tried + 1][0], tried + 1, notification)
        return None
