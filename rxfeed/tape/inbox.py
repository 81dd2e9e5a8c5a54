"""What the reader of a tape has received, for the thread that delivers it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import msgspec

from rxfeed.tape.envelope import TapeItem


class TapeBreak(msgspec.Struct, frozen=True):
    """Messages may be missing here, for this *reason*."""

    reason: str


class TapeInbox:
    """Groups of items between two threads. The reader requests more only while it is not *full*.

    *low* is called, by the taking thread, when it is no longer full.
    """

    def __init__(self, most: int, most_bytes: int, low: Callable[[], None]) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._low = low
        self._groups: deque[list[TapeItem | TapeBreak]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._ended = self._stopped = False
        self.waiting = 0
        self.bytes = 0
        self._was_full = False

    @property
    def full(self) -> bool:
        found = self.waiting >= self._most or self.bytes >= self._most_bytes
        self._was_full = self._was_full or found
        return found

    def put(self, group: list[TapeItem | TapeBreak], size: int) -> None:
        with self._changed:
            self._groups.append(group)
            self.waiting += len(group)
            self.bytes += size
            self._changed.notify()

    def end(self) -> None:
        """No more groups will be put."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def stop(self) -> None:
        """The taking thread gets nothing more."""
        with self._changed:
            self._ended = self._stopped = True
            self._changed.notify()

    def take(self) -> list[TapeItem | TapeBreak] | None:
        """The next group; `None` at the end."""
        with self._changed:
            while not self._groups and not self._ended:
                self._changed.wait()
            if self._stopped or not self._groups:
                return None
            group = self._groups.popleft()
            self.waiting -= len(group)
            self.bytes -= sum(len(item.payload) for item in group if isinstance(item, TapeItem))
            lowered = self._was_full and self.waiting < self._most // 2 and self.bytes < self._most_bytes // 2
            if lowered:
                self._was_full = False
        if lowered:
            self._low()
        return group
