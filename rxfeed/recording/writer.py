"""The recorder's queue and the thread that writes its items."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec

from rxfeed.feed import BlockingWriter, RecentRate
from rxfeed.recording.format import About
from rxfeed.recording.lines import Lines, Recordable, received_ns
from rxfeed.recording.segment_file import Totals
from rxfeed.recording.segments import RecordedSegment, Segments

log = logging.getLogger("rxfeed.recording")

# If the queue has so many items, they are written before `flush_seconds` are over. A write of so many items does not
# delay other threads noticeably, and still compresses well.
_BATCH = 512


class _Rotation:
    """An item of the queue: at its place the segment is finished."""


_ROTATION = _Rotation()


class RecorderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `record`."""

    folder: Path
    segment_bytes: int
    segment_seconds: float
    level: int
    flush_seconds: float
    queue_size: int
    mode: int


class RecorderCounters(Totals):
    """Counters over all subscriptions of a recorder."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0
        self.unwritten = 0
        self.rate = RecentRate()


class RecordingWriter(BlockingWriter["Recordable | _Rotation"]):
    """One subscription of a recorder. *emit* is called with segments, on the writer's thread."""

    def __init__(
        self,
        settings: RecorderSettings,
        counters: RecorderCounters,
        lines: Lines,
        about: Callable[[], About],
        emit: Callable[[RecordedSegment], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> None:
        super().__init__("rxfeed-record", log, settings.queue_size, counters, ended, unsubscribe)
        self._settings = settings
        self._counters = counters
        self._lines = lines
        self._emit_to = emit
        self._segments = Segments(
            settings.folder,
            segment_bytes=settings.segment_bytes,
            segment_seconds=settings.segment_seconds,
            level=settings.level,
            totals=counters,
            finished=self._emit,
            about=about,
            mode=settings.mode,
        )
        self._writing = 0
        self._oldest_ns = 0
        self._rotates = False

    # ---- for the source and for other threads

    def rotate(self) -> None:
        self._rotates = True
        if not self.over:
            self._queue.put(_ROTATION)

    def close(self, timeout: float | None) -> int:
        super().close(timeout)
        return self.queued + self._counters.unwritten + self._counters.lost + self.late

    @property
    def queued(self) -> int:
        return len(self._queue) + self._writing

    @property
    def lag(self) -> float:
        oldest = self._oldest_ns
        if not oldest:
            first = self._queue.first
            oldest = 0 if first is None or isinstance(first, _Rotation) else received_ns(first)
        return max(0.0, (time.time_ns() - oldest) / 1e9) if oldest else 0.0

    @property
    def path(self) -> Path | None:
        return self._segments.path

    # ---- on the writer's thread

    def _write_all(self) -> None:
        self._segments.open()
        # Items are written and flushed as soon as they are taken: so they wait no longer than `flush_seconds`.
        while items := self._queue.take(_BATCH, _BATCH, self._settings.flush_seconds):
            for run in self._between_rotations(items):
                self._write(run)
        self._segments.close()

    def _between_rotations(self, items: list[Recordable | _Rotation]) -> Iterator[list[Recordable]]:
        """The *items* to write, and at each rotation among them the segment is finished."""
        while self._rotates and _ROTATION in items:
            at = items.index(_ROTATION)
            yield cast("list[Recordable]", items[:at])
            self._segments.rotate()
            items = items[at + 1 :]
        yield cast("list[Recordable]", items)

    def _emit(self, segment: RecordedSegment) -> None:
        with contextlib.suppress(Exception):  # a subscriber raised, and so did the log
            self._emit_to(segment)

    def _write(self, items: list[Recordable]) -> None:
        if not items:
            return
        self._writing, self._oldest_ns = len(items), received_ns(items[0])
        for chunk in self._lines.encode(items):
            self._segments.write(chunk)
            self._writing -= chunk.items
            self._counters.rate.add(chunk.frames)
        self._writing = self._oldest_ns = 0  # the last items may be of a frame that was written before

    def _give_up(self) -> int:
        self._segments.abandon()
        lost, self._writing, self._oldest_ns = self._writing, 0, 0
        return lost
