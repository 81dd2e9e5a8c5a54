"""The recorder's queue and the thread that writes its items."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import msgspec

from rxfeed.errors import ConfigError, SinkError
from rxfeed.feed import RecentRate
from rxfeed.operators import BoundedQueue, ForkedQueue
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


class RecordingWriter:
    """The queue and the thread of one subscription, and their end.

    *emit* is called with segments and *ended* at the end, on this thread; *unsubscribe* unsubscribes from the source.
    """

    flush_seconds = 30.0

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
        self._settings = settings
        self._counters = counters
        self._lines = lines
        self._emit_to = emit
        self._on_end = ended
        self._unsubscribe = unsubscribe
        self._queue: BoundedQueue[Recordable | _Rotation] = BoundedQueue(settings.queue_size, "block")
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
        self._cause: Exception | None = None
        self._writing = self._lost = 0
        self._oldest_ns = 0
        self._rotates = False
        self._finished = threading.Event()
        # A daemon, so that a script without a `close` still exits; at exit the process waits for it.
        self._thread = threading.Thread(target=self._work, name="rxfeed-record", daemon=True)

    # ---- for the source and for other threads

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Recordable) -> None:
        queue = self._queue
        if len(queue) < queue.size:
            queue.put(item)
            return
        began = time.monotonic()
        queue.put(item)
        self._counters.waited += time.monotonic() - began

    def rotate(self) -> None:
        self._rotates = True
        if not self.over:
            self._queue.put(_ROTATION)

    def end(self, cause: Exception | None = None) -> None:
        self._cause = self._cause or cause
        self._queue.end()

    def wait(self) -> None:
        self._thread.join()

    def close(self, timeout: float | None) -> int:
        """End; wait until all is written, or *timeout* seconds. Returns the number of unwritten items."""
        self._unsubscribe()
        self.end()
        if threading.current_thread() is not self._thread:
            self._finished.wait(timeout)
        return self.queued + self._counters.unwritten + self._counters.lost + self.late

    @property
    def over(self) -> bool:
        return self._finished.is_set()

    @property
    def queued(self) -> int:
        return len(self._queue) + self._writing

    @property
    def late(self) -> int:
        """Items that came after the end."""
        return self._queue.late

    @property
    def remaining(self) -> tuple[int, int]:
        return self.queued + self.late + self._lost, 0

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._queue.size

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        return (self._thread,)

    def forked(self) -> None:
        self._queue = ForkedQueue()

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

    def _work(self) -> None:
        try:
            self._segments.open()
            # Items are written and flushed as soon as they are taken: so they wait no longer than `flush_seconds`.
            while items := self._queue.take(_BATCH, _BATCH, self._settings.flush_seconds):
                for run in self._between_rotations(items):
                    self._write(run)
            self._segments.close()
        except Exception as error:
            self._failed(error)
        finally:
            self._finished.set()
            self._on_end(self._cause)

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

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, SinkError | ConfigError):
            with contextlib.suppress(Exception):  # a failing log
                log.exception("a defect of rxfeed, please report it")
        self._queue.end()
        self._unsubscribe()
        self._segments.abandon()
        held = self._writing + self._queue.clear()
        self._counters.unwritten += held
        self._lost += held
        unwritten = held + self.late
        self._writing = self._oldest_ns = 0
        if isinstance(error, ConfigError):
            self._cause = error
            return
        self._cause = SinkError(f"{unwritten} items not written: {error or repr(error)}", unwritten)
        self._cause.__cause__ = error
