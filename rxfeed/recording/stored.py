"""Lists the segments in a folder, with what retention has to know of each of them."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rxfeed.recording.bounds import bounds_of
from rxfeed.recording.marks import MARKS, Mark, marked_segments
from rxfeed.recording.opening import HAS_LOCKS, is_locked, open_file
from rxfeed.recording.timestamps import ns_of

# Only a file with the name of a segment is ever deleted.
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-[0-9a-f]+-\d+\.jsonl\.zst", re.ASCII)


class StoredSegment(NamedTuple):
    """A segment in a folder: its *name*, size in *bytes*, and Unix nanoseconds of its begin and its last line.

    *open*: a process may be writing it. *ended*: it has an end line; without one its recorder was killed, or writes it.
    *marks*: those that are valid for it.
    """

    name: str
    bytes: int
    begun_ns: int
    last_ns: int
    open: bool = False
    marks: frozenset[Mark] = frozenset()
    ended: bool = True


class SegmentList:
    """Lists the segments in *folder*. It reads the end of a segment once, because a finished segment never changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._finished: dict[str, tuple[int, int, bool]] = {}  # size, last nanosecond, and if it has an end, by name

    def read(self) -> list[StoredSegment]:
        """The segments, in the order of their names, which is that of their begin; none if there is no folder."""
        try:
            with os.scandir(self._folder) as entries:
                sizes = {entry.name: entry.stat().st_size for entry in entries if _NAME.fullmatch(entry.name)}
        except FileNotFoundError:
            return []
        self._finished = {name: known for name, known in self._finished.items() if name in sizes}
        marked = {mark: marked_segments(self._folder, mark) for mark in MARKS}
        found: list[StoredSegment] = []
        for name, size in sorted(sizes.items()):
            begun = _begun(name)
            last, ended = self._last(name, size, begun)
            marks: frozenset[Mark] = frozenset(mark for mark in MARKS if marked[mark].get(name) == size)
            found.append(StoredSegment(name, size, begun, begun if last is None else last, last is None, marks, ended))
        return found

    def _last(self, name: str, size: int, begun: int) -> tuple[int | None, bool]:
        """When the last line of a finished segment was received, and if it has an end line.

        There is no time if a process may be writing it.
        """
        known = self._finished.get(name)
        if known is not None and known[0] == size:
            return known[1:]
        path = str(self._folder / name)
        bounds = bounds_of(path)
        last = _abandoned(path, begun) if bounds is None else bounds[1]
        if last is not None:
            self._finished[name] = size, last, bounds is not None
        return last, bounds is not None


def _abandoned(path: str, begun: int) -> int | None:
    """When a segment without an end line was last written, if no process writes it; `None` if one may."""
    try:
        with open_file(path) as file:
            if not HAS_LOCKS or is_locked(file.fileno()):
                return None
            return max(begun, os.fstat(file.fileno()).st_mtime_ns)
    except OSError:
        return None


def _begun(name: str) -> int:
    match = _NAME.fullmatch(name)
    assert match is not None
    try:
        return ns_of(datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC))
    except ValueError:
        return 0
