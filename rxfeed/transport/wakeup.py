"""Wakes the thread that waits on a socket."""

from __future__ import annotations

import contextlib
import selectors
import socket

# These selectors need no file descriptor, so a wait works even if the process has no more of them.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Wakeup:
    """A pair of sockets: a wait on `fileno()` ends once any thread has called `set()`."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def set(self) -> None:
        """Wake the waiting thread, now or at its next wait; no effect after `close()`."""
        # If the buffer is full, a wake-up is already pending.
        with contextlib.suppress(BlockingIOError, OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        """Drop all pending wake-ups."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def wait(self, timeout: float | None) -> bool:
        """True if woken, False after *timeout* seconds."""
        with _Selector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            woken = bool(selector.select(timeout))
        if woken:
            self.clear()
        return woken

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
