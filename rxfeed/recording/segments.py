"""Writes the segments of a recording one after another; each can be read while it is being written.

Rules:
- A segment is closed at its size, and by the first batch after its time, also if the clock was set back.
- Before each write the file is compared with its path. A file that was moved is closed at its new place. A file that
  was deleted or truncated is lost, which is reported. In all cases a new segment is created, with its folder if
  necessary.
- A closed segment is not checked: it may be moved. But if the whole folder was deleted with an open segment in it,
  between two segments, or before the end, the closed segments count as lost too.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from rxfeed.recording.format import VERSION, About, Header
from rxfeed.recording.lines import LineBatch
from rxfeed.recording.segment_file import FilePlace, SegmentFile, Totals, make_folder, refusals
from rxfeed.recording.timestamps import moment_of

log = logging.getLogger("rxfeed.recording")

SUFFIX = ".jsonl.zst"


class RecordedSegment(msgspec.Struct, frozen=True):
    """A segment that is finished: closed, and safe from a power failure.

    *frames*: all its frames, *malformed* ones included. *bytes*: the size of the file, *uncompressed* that of its
    lines. *first_ns* and *last_ns*: Unix nanoseconds of the receipt of its first and last frame, 0 if it has none.
    *lost*: the file was deleted or truncated while it was being written, and its content does not count.
    """

    path: Path
    session: str
    number: int
    frames: int
    malformed: int
    events: int
    bytes: int
    uncompressed: int
    first_ns: int
    last_ns: int
    lost: bool = False

    @property
    def first(self) -> datetime | None:
        """`first_ns` as a UTC datetime."""
        return moment_of(self.first_ns) if self.first_ns else None

    @property
    def last(self) -> datetime | None:
        """`last_ns` as a UTC datetime."""
        return moment_of(self.last_ns) if self.last_ns else None


class Segments:
    """Writes batches of lines into segments in *folder*, and calls *finished* with each segment that is finished.

    A segment is closed at *segment_bytes* of the file, and before the first batch after *segment_seconds*. When `write`
    returns, the system has the lines. Raises `SinkError` if the system refuses a write; the segment is then as before.
    *mode*: the permissions of files. *clock*: Unix nanoseconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int,
        segment_seconds: float,
        level: int,
        totals: Totals,
        finished: Callable[[RecordedSegment], None],
        about: Callable[[], About] = dict,
        mode: int = 0o600,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment_ns = int(segment_seconds * 1e9)
        self._level = level
        self._totals = totals
        self._finished = finished
        self._about = about
        self._mode = mode
        self._clock = clock
        self._session = secrets.token_hex(4)
        self._number = 0
        self._begun = self._named = 0
        self._segment: SegmentFile | None = None
        self._folder_id: tuple[int, int] | None = None
        self._closed = Totals()  # the counts of the closed segments in that folder

    @property
    def path(self) -> Path | None:
        """The segment that is being written."""
        return None if self._segment is None else self._segment.path

    def open(self) -> None:
        """Create a segment, unless there is one."""
        if self._segment is not None:
            return
        self._check_folder()
        with refusals(self._folder):
            make_folder(self._folder, self._mode)
        self._folder_id = _id(self._folder)
        self._begun = self._clock()
        # Names sort in the order of creation, also if the clock is set back.
        self._named = max(self._named + 1000, self._begun)
        self._number += 1
        about = self._about()
        header = Header(
            rxfeed=VERSION,
            ns=self._begun,
            session=self._session,
            segment=self._number,
            venue=about.pop("venue", ""),
            about=about,
        )
        path = self._folder / f"{moment_of(self._named):%Y%m%dT%H%M%S.%fZ}-{self._session}-{self._number:05}{SUFFIX}"
        self._segment = SegmentFile(path, header, self._level, self._totals, self._mode)
        # Not before `path` names it: a segment that is counted, and is not at `path`, is closed.
        self._totals.segments += 1

    def write(self, chunk: LineBatch) -> None:
        self._check_place()
        if self._segment is not None and not 0 <= self._clock() - self._begun < self._segment_ns:
            self._close()
        self.open()
        assert self._segment is not None
        self._segment.write(chunk)
        if self._segment.held.bytes >= self._segment_bytes:
            self._close()

    def rotate(self) -> None:
        """Finish the segment, if there is one with lines; the next batch creates a new one."""
        self._check_place()
        if self._segment is not None and (self._segment.held.frames or self._segment.held.events):
            self._close()

    def close(self) -> None:
        """Finish the segment, if there is one."""
        self._check_place()
        if self._segment is None:
            self._check_folder()
        self._close()

    def abandon(self) -> None:
        """Close the file of a segment that cannot be written any more, without an end line."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.release()

    # ---- the places of the files

    def _check_place(self) -> None:
        """Finish a segment that was moved or deleted."""
        segment = self._segment
        place = FilePlace.HERE if segment is None else segment.place
        if segment is None or place is FilePlace.HERE:
            return
        if place is FilePlace.MOVED:
            _report(logging.WARNING, "segment %s was moved while it was written; it is closed there", segment.path)
            if _id(self._folder) != self._folder_id:  # the closed segments were moved with it
                self._folder_id, self._closed = None, Totals()
            self._close()
            return
        self._segment = None
        segment.release()
        self._totals.lose(segment.held)
        frames = segment.held.frames
        text = "segment %s was %s while it was written: %s frames are lost"
        _report(logging.ERROR, text, segment.path, place.value, frames)
        self._check_folder()
        self._finished(self._described(segment, lost=True))

    def _check_folder(self) -> None:
        """Count the closed segments as lost if their folder is not at its path any more."""
        if self._folder_id is None or _id(self._folder) == self._folder_id:
            return
        closed, self._closed, self._folder_id = self._closed, Totals(), None
        self._totals.lose(closed)
        text = "folder %s was deleted or replaced during the recording: its closed segments had %s frames"
        _report(logging.ERROR, text, self._folder, closed.frames)

    def _close(self) -> None:
        segment = self._segment
        if segment is None:
            return
        segment.close(self._clock())
        self._segment = None  # not before it is whole: `path` is that of a segment that is being written
        self._closed.add(segment.held)
        self._finished(self._described(segment))

    def _described(self, segment: SegmentFile, *, lost: bool = False) -> RecordedSegment:
        held = segment.held
        return RecordedSegment(
            path=segment.path,
            session=self._session,
            number=segment.header.segment,
            frames=held.frames,
            malformed=held.malformed,
            events=held.events,
            bytes=held.bytes,
            uncompressed=held.uncompressed,
            first_ns=segment.first_ns,
            last_ns=segment.last_ns,
            lost=lost,
        )


def _id(folder: Path) -> tuple[int, int] | None:
    """The identity of *folder*, which changes if it is replaced; `None` if it does not exist."""
    with contextlib.suppress(OSError):
        found = folder.stat()
        return found.st_dev, found.st_ino
    return None


def _report(level: int, text: str, *values: object) -> None:
    with contextlib.suppress(Exception):  # a log that fails does not end the recording
        log.log(level, text, *values)
