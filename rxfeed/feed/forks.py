"""Keeps a fork apart from a log line that a feed's thread writes to standard error.

The child process of a fork has the locks of the stream as they were, but no thread that releases them: it would hang at
its exit, when `logging` flushes the stream. Python's own hooks reset the locks of handlers, but none of streams. The
handler of last resort writes the lines of a program that has not configured `logging`; other handlers are the user's.
"""

from __future__ import annotations

import logging
import os
from typing import Any

_LONGEST = 1.0
"""Seconds that a fork waits for a line, for example while standard error is a pipe that is not read."""


class _LastResort:
    """The lock of the handler of last resort, which is held during a fork."""

    def __init__(self) -> None:
        self._held: Any = None  # an RLock

    def take(self) -> None:
        handler = logging.lastResort
        lock = None if handler is None else handler.lock
        self._held = lock if lock is not None and lock.acquire(timeout=_LONGEST) else None

    def release(self) -> None:
        """In the parent process alone: `logging` gives the child a new lock."""
        lock, self._held = self._held, None
        if lock is not None:
            lock.release()


def keep_lines_whole() -> None:
    """Let each fork of this process wait for the end of a line; to be called once."""
    if hasattr(os, "register_at_fork"):
        last_resort = _LastResort()
        os.register_at_fork(before=last_resort.take, after_in_parent=last_resort.release)
