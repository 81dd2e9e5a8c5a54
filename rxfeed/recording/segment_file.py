"""One file of a recording while it is written, from its header to its end.

Rules:
- The file is locked for as long as it is open: so readers know an open segment from one that was left by a recorder
  that was killed.
- What the system refuses is undone: the file is then as it was before.
- The end line is a zstd frame of its own, so that a reader finds it without unpacking the rest.
- A file can be moved, deleted or cut off while it is written. `place` finds out, by comparing the open file with its
  path and with what was written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from rxfeed.errors import SinkError
from rxfeed.recording.compression import compressor, zstd
from rxfeed.recording.format import Header, end_line, header_line
from rxfeed.recording.lines import Chunk
from rxfeed.recording.moments import FIRST_NS, LAST_NS
from rxfeed.recording.opening import lock

# A frame of zstd ends in a checksum, before which none of its lines is sure: a reader can hold so many bytes back.
_VERIFIED_EVERY = 1 << 20


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Place(Enum):
    """Where an open file is."""

    HERE = "at its path"
    MOVED = "moved away"
    DELETED = "deleted"
    CUT = "cut off"
    """Another program made it shorter."""


class Totals:
    """What adds up over segments: what is in the files, that is. *lost* items were in files that were deleted."""

    def __init__(self) -> None:
        self.frames = self.malformed = self.events = 0
        self.bytes = self.uncompressed = self.segments = self.lost = 0

    def count(self, frames: int, malformed: int, events: int) -> None:
        self.frames += frames
        self.malformed += malformed
        self.events += events

    def size(self, packed: int, lines: int) -> None:
        self.bytes += packed
        self.uncompressed += lines

    def add(self, other: Totals) -> None:
        self.count(other.frames, other.malformed, other.events)
        self.size(other.bytes, other.uncompressed)

    def lose(self, lost: Totals) -> None:
        """What *lost* has is in no file any more."""
        self.count(-lost.frames, -lost.malformed, -lost.events)
        self.size(-lost.bytes, -lost.uncompressed)
        self.lost += lost.frames + lost.events


class SegmentFile:
    """One file; *held* is what it has. *mode*: its permissions, which the umask may narrow."""

    def __init__(self, path: Path, header: Header, level: int, totals: Totals, mode: int) -> None:
        self.path = path
        self.header = header
        self.held = Totals()
        self.first_ns = self.last_ns = 0
        self._bounds = (LAST_NS, FIRST_NS)
        self._totals = totals
        self._level = level
        self._compressor = compressor(level)
        self._unverified = 0
        self._block = zstd().COMPRESSOBJ_FLUSH_BLOCK
        with refusals(path):
            self._file = os.fdopen(os.open(path, _NEW, mode), "wb", buffering=0)
        self._locked = lock(self._file.fileno())
        totals.segments += 1
        try:
            self._write(header_line(header))
        except SinkError:
            self.let_go()
            raise

    @property
    def place(self) -> Place:
        """Where the file is now. One that cannot be looked for counts as being here."""
        opened = os.fstat(self._file.fileno())
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        except OSError:
            return Place.HERE
        if found is not None and (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino):
            return Place.CUT if opened.st_size < self.held.bytes else Place.HERE
        return Place.MOVED if opened.st_nlink else Place.DELETED

    def write(self, chunk: Chunk) -> None:
        if not self._locked:  # a reader was looking at it
            self._locked = lock(self._file.fileno())
        self._write(b"".join(chunk.lines))
        for counted in (self.held, self._totals):
            counted.count(chunk.frames, chunk.malformed, chunk.events)
        self.first_ns = self.first_ns or chunk.first_ns
        self.last_ns = chunk.last_ns or self.last_ns
        earliest, latest = self._bounds
        self._bounds = min(earliest, chunk.earliest), max(latest, chunk.latest)

    def close(self, ns: int) -> None:
        """Write the end, and wait until the disk has all of it."""
        held = self.held
        bounds = self._bounds if held.frames or held.events else ()
        try:
            self._write(end_line(ns, held.frames, *bounds), last=True)
            with refusals(self.path):
                os.fsync(self._file)
        finally:
            self.let_go()
        _sync_folder(self.path.parent)

    def let_go(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, lines: bytes, *, last: bool = False) -> None:
        """Compress *lines*, and hand them to the system to the last byte, or (where it refuses) none of them."""
        data = b""
        if last and self._unverified:
            data = self._new_frame()
        data += self._compressor.compress(lines)
        self._unverified += len(lines)
        if last or self._unverified >= _VERIFIED_EVERY:
            data += self._new_frame()
        else:
            data += self._compressor.flush(self._block)
        with refusals(self.path):
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file.fileno(), self.held.bytes)
                raise
        for counted in (self.held, self._totals):
            counted.size(len(data), len(lines))

    def _new_frame(self) -> bytes:
        """The end of the zstd frame, with its checksum."""
        end = self._compressor.flush()
        self._compressor, self._unverified = compressor(self._level), 0
        return end


@contextlib.contextmanager
def refusals(path: Path) -> Iterator[None]:
    """What the system refuses, as a `SinkError` that names *path*."""
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path}: {error.strerror or error}", 0) from error


def make_folder(folder: Path, mode: int) -> None:
    """Make *folder*, and those above it that are not there, with permissions for the classes that *mode* lets read.

    0600 makes 0700, 0640 makes 0750; the umask may narrow that. A folder that is there keeps its permissions.
    """
    permissions = 0o700 | (0o050 if mode & 0o040 else 0) | (0o005 if mode & 0o004 else 0)
    for each in [*reversed(folder.parents), folder]:
        if not each.is_dir():
            try:
                each.mkdir(permissions)
            except FileExistsError:  # made by another process meanwhile, or no folder
                if not each.is_dir():
                    raise


def _sync_folder(folder: Path) -> None:
    """See that the names in *folder* are safe too, on systems where a folder can be asked for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
