# SPDX-License-Identifier: Apache-2.0
"""
What is known of the buckets and how far the scans are, in memory and in a file.

The file is replaced in one step, so that whoever kills the scanner leaves a whole one behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_FORMAT = "otel_setup.storage 1"


@dataclass(frozen=True, slots=True)
class Amount:
    """How many objects (or uploads), and their bytes."""

    bytes: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        # Also what a file says is looked at here.
        if type(self.bytes) is not int or type(self.count) is not int:
            raise TypeError(f"{self!r}: expected whole numbers.")
        if self.bytes < 0 or self.count < 0:
            raise ValueError(f"{self!r}: expected no negative numbers.")

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.bytes + other.bytes, self.count + other.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a scan that came to its end found in a bucket."""

    #: Class of keys → its objects; empty when the bucket is gone.
    sizes: Mapping[str, Amount]
    #: Uploads that were neither completed nor aborted; None when the storage does not list them.
    unfinished: Amount | None
    #: When the scan ended, in seconds since 1970.
    time: float


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far the scan of one bucket is."""

    sizes: dict[str, Amount]
    unfinished: Amount = field(default_factory=Amount)
    #: The last key that was counted.
    after: str = ""
    #: Whether all objects are counted, so that only unfinished uploads are left.
    listed: bool = False
    #: The last key whose uploads were counted.
    upload: str = ""
    #: Seconds of work so far, in whichever process.
    spent: float = 0.0
    #: When this was last true, in seconds since 1970.
    time: float = 0.0


@dataclass(slots=True)
class State:
    """Results and progress by bucket."""

    results: dict[str, Result] = field(default_factory=dict)
    progress: dict[str, Progress] = field(default_factory=dict)

    def keep(self, buckets: Iterable[str]) -> None:
        """Forget all buckets but these."""
        kept = set(buckets)
        # New ones, since another thread may be reading the old.
        self.results = {name: each for name, each in self.results.items() if name in kept}
        self.progress = {name: each for name, each in self.progress.items() if name in kept}


class StateFile:
    """
    The state in a file; *fingerprint* says of which settings, so that no other's is gone on with.

    A file that is missing, broken or somebody else's is an empty state. One that cannot be
    written is said once, and scanning goes on.
    """

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self._path = path
        self._fingerprint = fingerprint
        self._trouble = ""

    def load(self) -> State:
        """Return what was saved last."""
        if self._path is None:
            return State()
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return State()
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read, so scans begin anew: %s", self._path, error)
            return State()
        try:
            return self._read(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            log.warning(
                "%s is no state of these settings, so scans begin anew: %s", self._path, error
            )
            return State()

    def save(self, state: State) -> None:
        """Replace the file; after a kill it is the old one or the new one."""
        if self._path is None:
            return
        try:
            _replace(self._path, json.dumps(self._written(state)))
        except OSError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.warning("progress cannot be kept in %s: %s", self._path, error)
            return
        if self._trouble:
            self._trouble = ""
            log.info("progress is kept in %s again", self._path)

    def _written(self, state: State) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "settings": self._fingerprint,
            "results": {name: asdict(each) for name, each in state.results.items()},
            "progress": {name: asdict(each) for name, each in state.progress.items()},
        }

    def _read(self, found: Any) -> State:
        if found["format"] != _FORMAT:
            raise ValueError(f"its format is {found['format']!r}, expected {_FORMAT!r}")
        if found["settings"] != self._fingerprint:
            raise ValueError("endpoint or classes have changed")
        return State(
            results={str(name): _result(each) for name, each in found["results"].items()},
            progress={str(name): _progress(each) for name, each in found["progress"].items()},
        )


def _result(found: Any) -> Result:
    unfinished = found["unfinished"]
    return Result(
        sizes=_sizes(found["sizes"]),
        unfinished=None if unfinished is None else Amount(**unfinished),
        time=float(found["time"]),
    )


def _progress(found: Any) -> Progress:
    return Progress(
        sizes=_sizes(found["sizes"]),
        unfinished=Amount(**found["unfinished"]),
        after=str(found["after"]),
        listed=bool(found["listed"]),
        upload=str(found["upload"]),
        spent=float(found["spent"]),
        time=float(found["time"]),
    )


def _sizes(found: Any) -> dict[str, Amount]:
    return {str(name): Amount(**each) for name, each in found.items()}


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
