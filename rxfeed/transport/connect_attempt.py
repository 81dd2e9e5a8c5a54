"""One attempt to connect: a deadline for all its steps together, and its end from another thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Aborted(ConnectionAbortedError):
    """`ConnectAttempt.abort()` was called."""


class ConnectAttempt:
    """The steps from a name to an open connection share the *timeout* in seconds, however many of them there are.

    One thread makes the attempt; only `abort()` may be called from another.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.step = "waiting to begin"
        """What is being done, for the text of an error."""
        self.signal = threading.Event()
        """Set by `abort()`, and by what else a step waits for."""
        self._until = time.monotonic() + timeout
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    def left(self) -> float:
        """The seconds that are left; raises `TimeoutError` at the deadline and `Aborted` after `abort()`."""
        if self._aborted:
            raise Aborted("given up")
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"timed out after {self.timeout:g} s")
        return left

    def abort(self) -> None:
        """Make the attempt raise `Aborted` at once, whatever it waits for; from any thread."""
        with self._lock:
            self._aborted = True
            self.signal.set()
            if self._socket is not None:
                # Not SSLSocket.shutdown, which pulls the TLS state from under a handshake.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @contextmanager
    def using(self, sock: socket.socket) -> Iterator[None]:
        """`abort()` reaches *sock* meanwhile; an error closes it."""
        try:
            self._hold(sock)
            yield
        except BaseException:
            self._hold(None)
            sock.close()
            raise

    def done(self) -> None:
        """The attempt succeeded: `abort()` leaves its socket alone from now on."""
        self._hold(None)

    def _hold(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._socket = sock
            if self._aborted and sock is not None:
                raise Aborted("given up")

    # ---- reading and writing before the deadline

    def receive_into(self, sock: socket.socket, buffer: memoryview) -> int:
        """Read what comes first into *buffer*; the number of bytes, 0 at the end."""
        sock.settimeout(self.left())
        return sock.recv_into(buffer)

    def receive(self, sock: socket.socket, size: int) -> bytes:
        """Exactly *size* bytes."""
        data = bytearray(size)
        at = 0
        while at < size:
            count = self.receive_into(sock, memoryview(data)[at:])
            if count == 0:
                raise ConnectionResetError(f"the connection ended while {self.step}")
            at += count
        return bytes(data)

    def send(self, sock: socket.socket, data: memoryview) -> None:
        """Send all of *data*; a view, since it may hold secrets, and a view does not show them."""
        sock.settimeout(self.left())
        sock.sendall(data)
