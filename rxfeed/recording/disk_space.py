"""Decides from the free space of a disk whether a recording warns, stops and starts again.

Rules:
- `FULL`: the free space is below the minimum. It stays so until a quarter more than the minimum is free, so that a
  recording does not stop and start at every segment that is deleted.
- `LOW`: below twice the minimum, or at the present rate the minimum is reached within an hour.
- Free entries for files count like free bytes, in file systems that have a fixed number of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import deque
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import msgspec

from rxfeed.recording.segment_file import make_folder

_AGAIN = 1.25  # times the minimum has to be free after `FULL`
_EARLY = 2.0  # times the minimum: below it, `LOW`
_FORECAST = 3600.0  # seconds
_OBSERVED = 600.0  # seconds over which the rate is measured
_LEAST_OBSERVED = 60.0
_FILES = 16  # entries for files: a segment, the spill and its parts, and the marks
_PROBE = b"\0" * 1_000_000  # bytes of a trial: some seconds of a recording


class DiskState(Enum):
    """Whether the disk has room."""

    ROOM = "room"
    LOW = "low"
    FULL = "full"


class DiskSpace(NamedTuple):
    """Free and total bytes, and free and total entries for files; no total: the file system has no such limit."""

    free: int
    total: int
    free_files: int = 0
    total_files: int = 0


class MinFree(msgspec.Struct, frozen=True):
    """The space that stays free: a number of *bytes*, or a *percent*age of the disk."""

    bytes: int = 0
    percent: float = 0.0

    def of(self, space: DiskSpace) -> tuple[int, int]:
        """The bytes and the entries for files that have to stay free of *space*."""
        if not self.bytes and not self.percent:
            return 0, 0
        share = self.percent / 100
        return max(self.bytes, round(share * space.total)), max(_FILES, round(share * space.total_files))


class DiskGuard:
    """Holds the state of a disk with *minimum* to stay free."""

    def __init__(self, minimum: MinFree) -> None:
        self._minimum = minimum
        self._seen: deque[tuple[float, int]] = deque()
        self.state = DiskState.ROOM

    def step(self, space: DiskSpace, now: float) -> DiskState:
        """The state with *space* at *now*, in seconds of any clock that only advances."""
        self._seen.append((now, space.free))
        while self._seen[0][0] < now - _OBSERVED:
            self._seen.popleft()
        needed, files = self._minimum.of(space)
        counted = [(space.free, needed)]
        if space.total_files:
            counted.append((space.free_files, files))
        full = _AGAIN if self.state is DiskState.FULL else 1.0
        if any(free < full * least for free, least in counted):
            self.state = DiskState.FULL
        elif any(free < _EARLY * least for free, least in counted) or (needed and self.seconds_left(space) < _FORECAST):
            self.state = DiskState.LOW
        else:
            self.state = DiskState.ROOM
        return self.state

    def seconds_left(self, space: DiskSpace) -> float:
        """Seconds until the minimum is reached, at the rate of the last ten minutes; infinite if it is not."""
        (began, first), (ended, last) = self._seen[0], self._seen[-1]
        used = first - last
        if used <= 0 or ended - began < _LEAST_OBSERVED:
            return float("inf")
        return max(0, last - self._minimum.of(space)[0]) / used * (ended - began)


def disk_space(folder: Path) -> DiskSpace:
    """The space of the disk that has *folder*, or would have it."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not hasattr(os, "statvfs"):  # Windows
        usage = shutil.disk_usage(there)
        return DiskSpace(usage.free, usage.total)
    found = os.statvfs(there)
    return DiskSpace(
        found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, found.f_favail, max(0, found.f_files)
    )


def refusal(folder: Path, mode: int = 0o600) -> OSError | None:
    """The error of writing as much in *folder* as a recording writes at its start; `None` if it succeeds.

    These are a megabyte and the entries of `_FILES` files. *folder* is created for files of *mode*.
    """
    probes = [folder / f".probe-{os.getpid()}-{number}" for number in range(_FILES)]
    try:
        make_folder(folder, mode)
        try:
            for probe in probes:
                _write_probe(probe, _PROBE if probe is probes[0] else b"")
        finally:
            for probe in probes:
                with contextlib.suppress(OSError):
                    probe.unlink()
    except OSError as error:
        return error
    return None


def _write_probe(path: Path, content: bytes) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(number, rest) :]
        if content:
            os.fsync(number)
    finally:
        os.close(number)
