"""Deletes the oldest segments of a folder when they are over the limits of age or size.

Rules:
- Only a finished segment is deleted, of this recorder or of another. A segment that a process writes is kept.
- A segment is old when its last line is older than the limit. The size counts all segments, oldest deleted first.
- With `after`, a segment is deleted only when it has all of these marks. Until then it is held back, and a newer
  segment that has them is deleted in its place. Segments that are held back are logged once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from rxfeed.recording.marks import Mark, forget_marks
from rxfeed.recording.stored import SegmentList, StoredSegment

log = logging.getLogger("rxfeed.recording")

_DAY_NS = 86_400 * 10**9


class KeepLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: segments of so many days and so many bytes, `None` for no limit; *after*: the required marks."""

    days: float | None = None
    bytes: int | None = None
    after: frozenset[Mark] = frozenset()


class Expired(NamedTuple):
    """Segments over a limit: those to *delete*, and those *held* back because they have no mark yet."""

    delete: tuple[StoredSegment, ...]
    held: tuple[StoredSegment, ...]


def expired(segments: Iterable[StoredSegment], limits: KeepLimits, now_ns: int) -> Expired:
    """The *segments* that are over *limits* at *now_ns*, oldest first."""
    ordered = sorted(segments, key=lambda segment: (segment.begun_ns, segment.name))
    total = sum(segment.bytes for segment in ordered)
    earliest = None if limits.days is None else now_ns - round(limits.days * _DAY_NS)
    delete: list[StoredSegment] = []
    held: list[StoredSegment] = []
    for segment in ordered:
        old = earliest is not None and segment.last_ns < earliest
        over = limits.bytes is not None and total > limits.bytes
        if segment.open or not (old or over):
            continue
        if limits.after <= segment.marks:
            delete.append(segment)
            total -= segment.bytes
        else:
            held.append(segment)
    return Expired(tuple(delete), tuple(held))


class Retention:
    """Applies *limits* to the segments in *folder*. *clock*: Unix nanoseconds."""

    def __init__(self, folder: Path, limits: KeepLimits, clock: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._list = SegmentList(folder)
        self._holding = False
        self._failing = False

    def apply(self) -> tuple[StoredSegment, ...]:
        """Delete the segments that are over the limits; returns them. A failure is logged, and the rest is deleted."""
        if self._limits.days is None and self._limits.bytes is None:
            return ()
        try:
            found = expired(self._list.read(), self._limits, self._clock())
        except OSError as error:
            self._failed(self._folder, error)
            return ()
        self._report_held(found.held)
        deleted = tuple(segment for segment in found.delete if self._delete(segment))
        if deleted:
            self._failing = len(deleted) < len(found.delete)
            try:
                for mark in self._limits.after:
                    forget_marks(self._folder, mark, {segment.name for segment in deleted})
            except OSError as error:  # the marks of deleted segments do no harm
                log.info("the marks of deleted segments were not removed: %s", error)
        return deleted

    def _delete(self, segment: StoredSegment) -> bool:
        path = self._folder / segment.name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._failed(path, error)
            return False
        log.info("deleted %s, which is over the limits: %d bytes", path, segment.bytes)
        return True

    def _failed(self, path: Path, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            log.warning("%s cannot be deleted: %s; it is tried again", path, error.strerror or error)

    def _report_held(self, held: tuple[StoredSegment, ...]) -> None:
        if held and not self._holding:
            required = " and ".join(sorted(self._limits.after))
            size = sum(segment.bytes for segment in held)
            text = "%d segments of %s (%d bytes) are over the limits and are kept until they are %s"
            log.warning(text, len(held), self._folder, size, required)
        self._holding = bool(held)
