"""Opens files of recordings without blocking, and locks them while they are written.

The recorder holds a lock (`flock`) on the segment that it writes. The system releases the lock when the recorder's
process ends, in whatever way. So a segment without an end line is open if the lock is held, and damaged if it is not.
A system without `flock` (Windows), and a network file system that does not pass locks on, show no lock.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

HAS_LOCKS = fcntl is not None

_BUFFER = 1 << 16
# Without O_NONBLOCK the opening of a FIFO waits until another process opens its other end.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_file(path: str) -> BinaryIO:
    """The file at *path*, for reading; raises `OSError`, also if it is no regular file."""
    number = os.open(path, _READ)
    try:
        kind = stat.S_IFMT(os.fstat(number).st_mode)
        if kind != stat.S_IFREG:
            raise OSError(f"it is {_KINDS.get(kind, 'no regular file')}; a recording is a file")
        return os.fdopen(number, "rb", buffering=_BUFFER)
    except BaseException:
        os.close(number)
        raise


def lock(number: int) -> None:
    """Lock the open file *number* for as long as it is open, if its file system has locks."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(number: int) -> bool:
    """Lock the open file or folder *number* for as long as it is open; False if another process holds its lock."""
    if fcntl is not None:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
    return True


def wait_for_lock(number: int) -> None:
    """Lock the open file *number* when no other process holds its lock, if its file system has locks."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)


def is_locked(number: int) -> bool:
    """True if a recorder holds the lock of the open file *number*."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(number, fcntl.LOCK_UN)
    return False
