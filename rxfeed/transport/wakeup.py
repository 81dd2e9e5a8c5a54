"""Wakes the thread that waits on a socket."""

from __future__ import annotations

import contextlib
import selectors
import socket

# It needs no file descriptor of its own, so that a wait works while the process is out of them.
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
        """Wake the waiter, now or at its next wait; harmless after `close()`."""
        # A full buffer means that a wake-up is on its way already.
        with contextlib.suppress(BlockingIOError, OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        """Forget the wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def wait(self, timeout: float | None) -> bool:
        """True once woken, False after *timeout* seconds."""
        with _Selector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            woken = bool(selector.select(timeout))
        if woken:
            self.clear()
        return woken

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
