"""Writes one file of a recording, from its header to its end line.

Rules:
- The file is locked for as long as it is open, so that readers can distinguish an open segment from one of a recorder
  that was killed. It has its name only when it is locked: no reader finds it unlocked, or prevents the lock.
- If the system refuses a write, the file is truncated to its length before it.
- The end line is a zstd frame of its own, so that readers can find it without decompressing the rest.
- A file can be moved, deleted or truncated while it is written. `place` detects this by comparing the open file with
  its path and its size with the bytes written.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from rxfeed.errors import SinkError
from rxfeed.recording.compression import compressor, zstd
from rxfeed.recording.format import Header, end_line, header_line
from rxfeed.recording.lines import LineBatch
from rxfeed.recording.opening import HAS_LOCKS, lock
from rxfeed.recording.timestamps import FIRST_NS, LAST_NS

# A zstd frame ends with a checksum that verifies its lines. Readers can buffer so many bytes until they come to it.
_VERIFIED_EVERY = 1 << 20


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class FilePlace(Enum):
    """The place of an open file."""

    HERE = "at its path"
    MOVED = "moved away"
    DELETED = "deleted"
    CUT = "truncated"
    """Another program made it shorter."""


class Totals:
    """Counters over segments. *lost*: items in files that were deleted; all other counts are of existing files."""

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
        """Subtract the counts of a deleted file, and count its items as lost."""
        self.count(-lost.frames, -lost.malformed, -lost.events)
        self.size(-lost.bytes, -lost.uncompressed)
        self.lost += lost.frames + lost.events


class SegmentFile:
    """One file, with its counts in *held*. *mode*: its permissions, which the umask may reduce."""

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
            self._file = os.fdopen(_create(path, mode), "wb", buffering=0)
        try:
            self._write(header_line(header))
        except SinkError:
            self.release()
            with contextlib.suppress(OSError):  # a segment without a header is not left behind
                path.unlink()
            raise

    @property
    def place(self) -> FilePlace:
        """The present place of the file; `HERE` if the path cannot be checked."""
        opened = os.fstat(self._file.fileno())
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        except OSError:
            return FilePlace.HERE
        if found is not None and (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino):
            return FilePlace.CUT if opened.st_size < self.held.bytes else FilePlace.HERE
        return FilePlace.MOVED if opened.st_nlink else FilePlace.DELETED

    def write(self, chunk: LineBatch) -> None:
        self._write(b"".join(chunk.lines))
        for counted in (self.held, self._totals):
            counted.count(chunk.frames, chunk.malformed, chunk.events)
        self.first_ns = self.first_ns or chunk.first_ns
        self.last_ns = chunk.last_ns or self.last_ns
        earliest, latest = self._bounds
        self._bounds = min(earliest, chunk.earliest), max(latest, chunk.latest)

    def close(self, ns: int) -> None:
        """Write the end line, and wait until all is on the disk."""
        held = self.held
        bounds = self._bounds if held.frames or held.events else ()
        try:
            self._write(end_line(ns, held.frames, *bounds), last=True)
            with refusals(self.path):
                os.fsync(self._file)
        finally:
            self.release()
        _sync_folder(self.path.parent)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, lines: bytes, *, last: bool = False) -> None:
        """Compress and write *lines*, completely, or not at all if the system refuses."""
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


def _create(path: Path, mode: int) -> int:
    """The descriptor of a new file at *path*, which is locked if the system has locks."""
    if not HAS_LOCKS:
        return os.open(path, _NEW, mode)
    unnamed = path.with_name(f"{path.name}.new")  # readers ignore this suffix
    number = os.open(unnamed, _NEW, mode)
    try:
        lock(number)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        unnamed.rename(path)
    except BaseException:
        os.close(number)
        unnamed.unlink(missing_ok=True)
        raise
    return number


@contextlib.contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Raises an `OSError` as a `SinkError` with *path*."""
    try:
        yield
    except OSError as error:
        raise SinkError(f"{path}: {error.strerror or error}", 0) from error


def make_folder(folder: Path, mode: int) -> None:
    """Create *folder* and its missing parents; users that can read files of *mode* can read the folders.

    0600 makes 0700, 0640 makes 0750; the umask may reduce that. An existing folder keeps its permissions.
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
    """Write the names in *folder* to the disk too, on systems that support it for folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
