"""Segments: the files of a recording, one after another, each readable while it is being written."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rxfeed.errors import SinkError
from rxfeed.recording.compression import compressor, zstd
from rxfeed.recording.format import VERSION, Header, end_line, header_line
from rxfeed.recording.lines import Chunk
from rxfeed.recording.moments import moment_of

SUFFIX = ".jsonl.zst"


class RecordedSegment(msgspec.Struct, frozen=True):
    """A segment that is finished: closed, and safe from a power cut.

    *frames* are all that it holds, *malformed* so many of them; *bytes* is the file's size, *uncompressed* that of its
    lines. *first_ns* and *last_ns*: Unix nanoseconds of the first and the last frame's receipt, 0 where there is none.
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

    @property
    def first(self) -> datetime | None:
        """`first_ns` as a UTC datetime."""
        return moment_of(self.first_ns) if self.first_ns else None

    @property
    def last(self) -> datetime | None:
        """`last_ns` as a UTC datetime."""
        return moment_of(self.last_ns) if self.last_ns else None


class Totals:
    """What adds up over segments: what is in the files, that is."""

    def __init__(self) -> None:
        self.frames = self.malformed = self.events = 0
        self.bytes = self.uncompressed = self.segments = 0


class Segments:
    """Writes chunks into segments in *folder*, and tells *finished* of each that is full or old enough.

    A segment is closed at *segment_bytes* of the file, and before the first chunk after *segment_seconds*. All that
    was written has left the process when `write` returns. Raises `SinkError` for what the system refuses; the segment
    is then as it was before. *clock*: Unix nanoseconds.
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
        about: Callable[[], dict[str, Any]] = dict,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment_ns = int(segment_seconds * 1e9)
        self._level = level
        self._totals = totals
        self._finished = finished
        self._about = about
        self._clock = clock
        self._session = secrets.token_hex(4)
        self._number = 0
        self._begun = self._named = 0
        self._segment: _Segment | None = None

    @property
    def path(self) -> Path | None:
        """The segment that is being written."""
        return None if self._segment is None else self._segment.path

    def open(self) -> None:
        """Begin a segment, unless there is one."""
        if self._segment is not None:
            return
        with _refusals(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        # The names sort in time order also where the clock is set back.
        self._begun = self._clock()
        self._named = max(self._named + 1000, self._begun)
        self._number += 1
        header = Header(
            rxfeed=VERSION, ns=self._named, session=self._session, segment=self._number, about=self._about()
        )
        self._segment = _Segment(self._folder / _name(header), header, self._level, self._totals)

    def write(self, chunk: Chunk) -> None:
        if self._segment is not None and not 0 <= self._clock() - self._begun < self._segment_ns:
            self.close()
        self.open()
        assert self._segment is not None
        self._segment.write(chunk)
        if self._segment.bytes >= self._segment_bytes:
            self.close()

    def close(self) -> None:
        """Finish the segment; harmless where there is none."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._finished(segment.close(self._clock()))

    def abandon(self) -> None:
        """Let go of a segment that cannot be written any more; it stays as far as it got."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.let_go()


class _Segment:
    """One file, from its header to its end."""

    def __init__(self, path: Path, header: Header, level: int, totals: Totals) -> None:
        self.path = path
        self.bytes = 0
        self._header = header
        self._held = Chunk([])
        self._totals = totals
        self._compressor = compressor(level)
        self._block = zstd().COMPRESSOBJ_FLUSH_BLOCK
        with _refusals(path):
            self._file = path.open("xb", buffering=0)
        totals.segments += 1
        try:
            self._write(header_line(header))
        except SinkError:
            self.let_go()
            raise

    def write(self, chunk: Chunk) -> None:
        self._write(b"".join(chunk.lines))
        for counted in (self._held, self._totals):
            counted.frames += chunk.frames
            counted.malformed += chunk.malformed
            counted.events += chunk.events
        self._held.first_ns = self._held.first_ns or chunk.first_ns
        self._held.last_ns = chunk.last_ns or self._held.last_ns

    def close(self, ns: int) -> RecordedSegment:
        """Write the end, and wait until the disk has all of it."""
        held = self._held
        try:
            self._write(end_line(ns, held.frames), last=True)
            with _refusals(self.path):
                os.fsync(self._file)
        finally:
            self.let_go()
        _sync_folder(self.path.parent)
        return RecordedSegment(
            path=self.path,
            session=self._header.session,
            number=self._header.segment,
            frames=held.frames,
            malformed=held.malformed,
            events=held.events,
            bytes=self.bytes,
            uncompressed=held.size,
            first_ns=held.first_ns,
            last_ns=held.last_ns,
        )

    def let_go(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, lines: bytes, *, last: bool = False) -> None:
        """Compress *lines*, and hand them to the system to the last byte, or (where it refuses) none of them."""
        data = self._compressor.compress(lines)
        data += self._compressor.flush() if last else self._compressor.flush(self._block)
        with _refusals(self.path):
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file.fileno(), self.bytes)
                raise
        self.bytes += len(data)
        self._held.size += len(lines)
        self._totals.bytes += len(data)
        self._totals.uncompressed += len(lines)


def _name(header: Header) -> str:
    return f"{moment_of(header.ns):%Y%m%dT%H%M%S.%fZ}-{header.session}-{header.segment:05}{SUFFIX}"


@contextlib.contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path}: {error.strerror or error}", 0) from error


def _sync_folder(folder: Path) -> None:
    """See that the names in *folder* are safe too, on systems where a folder can be asked for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
