# SPDX-License-Identifier: Apache-2.0
"""What was told, the newest first: bounded, and kept in a file through a restart."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from pathlib import Path

from services_demo.pager.notification import Key, Notification

log = logging.getLogger(__name__)


class Inbox:
    """
    The last *keep* notifications; when there are more, the oldest that has ended goes first.

    With *file* they are there again after a restart; a file that cannot be read or written
    is said in the log and stops nothing.
    """

    def __init__(self, keep: int, file: Path | None = None) -> None:
        self._keep = keep
        self._file = file
        self._lock = threading.Lock()
        self._kept: dict[Key, Notification] = {}
        if file is not None:
            self._kept = _load(file)

    def take(self, told: list[Notification], now: float) -> list[Notification]:
        """Keep what is new in *told*; returns that: Alertmanager repeats what goes on."""
        with self._lock:
            news = [kept for each in told if (kept := self._merge(each, now)) is not None]
            self._forget()
            if news:
                self._save()
        return news

    def add_traces(self, key: Key, traces: tuple[str, ...]) -> None:
        """Note the *traces* of the notification *key*, if it is still here."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept[key] = replace(known, traces=traces)
                self._save()

    def newest_first(self) -> list[Notification]:
        """Return what is kept: what fires, then what has ended, each the newest first."""
        with self._lock:
            kept = list(self._kept.values())
        return sorted(kept, key=lambda each: (each.firing, each.changed_at), reverse=True)

    def _merge(self, told: Notification, now: float) -> Notification | None:
        known = self._kept.get(told.key)
        if known is None:
            new = replace(told, received_at=now, resolved_at=0.0 if told.firing else now)
        elif known.status == told.status:
            # No news, but its description may show a newer value.
            self._kept[told.key] = replace(known, annotations=told.annotations)
            return None
        else:
            new = replace(
                told,
                received_at=known.received_at,
                resolved_at=0.0 if told.firing else now,
                traces=known.traces,
            )
        self._kept[told.key] = new
        return new

    def _forget(self) -> None:
        surplus = len(self._kept) - self._keep
        if surplus > 0:
            oldest = sorted(self._kept.values(), key=lambda each: (each.firing, each.changed_at))
            for each in oldest[:surplus]:
                del self._kept[each.key]

    def _save(self) -> None:
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        try:
            new.write_text(json.dumps([each.to_json() for each in self._kept.values()]))
            new.replace(self._file)
        except OSError as error:
            log.warning("notifications are kept in memory only: %s", error)


def _load(file: Path) -> dict[Key, Notification]:
    try:
        kept = [Notification.from_json(each) for each in json.loads(file.read_text())]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read, begins empty: %s", file, error)
        return {}
    return {each.key: each for each in kept}
