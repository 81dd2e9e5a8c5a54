"""A disk that is full, or read-only."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Limits files of this process to *size* bytes: `File too large` replaces the `No space left` of a full disk."""
    # Python ignores the signal that would come with it.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class SmallDisk:
    """A file system of its own in memory, at *path*, with *size* bytes and *inodes* entries; needs root, on Linux."""

    def __init__(self, path: Path, size: str, inodes: int = 1000) -> None:
        self.path = path
        self._options = f"size={size},nr_inodes={inodes}"

    def __enter__(self) -> SmallDisk:
        self.path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", self._options, "tmpfs", str(self.path)]
        mounted = subprocess.run(command, check=False, capture_output=True) if shutil.which("mount") else None
        if mounted is None or mounted.returncode:
            pytest.skip("no small disk can be mounted: this needs root, on Linux")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def set_read_only(self, read_only: bool) -> bool:
        """True if it was done: a disk with a file that is open for writing refuses to become read-only."""
        command = ["mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(self.path)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def fill(self, leave: int) -> Path:
        """A file that leaves *leave* bytes free."""
        found = os.statvfs(self.path)
        ballast = self.path / "ballast"
        left = memoryview(b"\1" * max(0, found.f_bavail * found.f_frsize - leave))
        with ballast.open("ab", buffering=0) as file, suppress(OSError):  # the space that another process takes
            while left:
                left = left[file.write(left) :]
        return ballast

    def fill_entries(self, leave: int) -> Path:
        """A folder of files that leaves *leave* entries free."""
        folder = self.path / "entries"
        folder.mkdir()
        for number in range(os.statvfs(self.path).f_favail - leave):
            (folder / str(number)).touch()
        return folder
