"""Threads and file descriptors, before and after."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def nothing_left_behind(within: float = 10.0) -> Iterator[None]:
    """Fails if there are more threads or open files afterwards; earlier ones may end meanwhile."""
    gc.collect()
    threads, files = set(threading.enumerate()), open_files()
    yield
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        left = set(threading.enumerate()) - threads
        if not left and open_files() <= files:
            return
        gc.collect()
        time.sleep(0.01)
    raise AssertionError(f"left behind: threads {set(threading.enumerate()) - threads}, files {open_files() - files}")
