"""One attempt to connect: one deadline for all its steps, and a way to abort it from another thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress


class Aborted(ConnectionAbortedError):
    """`ConnectAttempt.abort()` was called."""


class ConnectAttempt:
    """The deadline of all steps from a host's name to an open connection: *timeout* seconds for them together.

    One thread makes the attempt; another thread may only call `abort()`.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.step = "waiting to begin"
        """The current step, for the text of an error."""
        self.server_date = ""
        """The header `Date` of the server's answer."""
        self.signal = threading.Event()
        """Set by `abort()`, and by the events that a step waits for."""
        self._until = time.monotonic() + timeout
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.aborted = False
        """`abort()` was called."""

    def left(self) -> float:
        """The remaining seconds; raises `TimeoutError` at the deadline and `Aborted` after `abort()`."""
        if self.aborted:
            raise Aborted("the attempt was aborted")
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"timed out after {self.timeout:g} s")
        return left

    def abort(self) -> None:
        """Make the attempt raise `Aborted` at once; from any thread."""
        with self._lock:
            self.aborted = True
            self.signal.set()
            if self._socket is not None:
                # Not SSLSocket.shutdown, which removes the TLS state that a handshake is using.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @contextmanager
    def using(self, sock: socket.socket) -> Generator[None]:
        """Within this block, `abort()` shuts *sock* down, and an error closes it."""
        try:
            self._hold(sock)
            yield
        except BaseException:
            self._hold(None)
            sock.close()
            raise

    def done(self) -> None:
        """The attempt succeeded: from now on `abort()` does not touch its socket."""
        self._hold(None)

    def _hold(self, sock: socket.socket | None) -> None:
        with self._lock:
            self._socket = sock
            if self.aborted and sock is not None:
                raise Aborted("the attempt was aborted")

    # ---- reading and writing within the deadline

    def receive_into(self, sock: socket.socket, buffer: memoryview) -> int:
        """The number of bytes that were read into *buffer*; 0 at the end of the stream."""
        sock.settimeout(self.left())
        count = sock.recv_into(buffer)
        if count == 0 and self.aborted:  # `abort` has ended the stream
            raise Aborted("the attempt was aborted")
        return count

    def receive(self, sock: socket.socket, size: int) -> bytes:
        """Exactly *size* bytes from *sock*."""
        data = bytearray(size)
        at = 0
        while at < size:
            count = self.receive_into(sock, memoryview(data)[at:])
            if count == 0:
                raise ConnectionResetError(f"the connection ended while {self.step}")
            at += count
        return bytes(data)

    def send(self, sock: socket.socket, data: memoryview) -> None:
        """Send all of *data*: a view, because it may have secrets, and the repr of a view does not show them."""
        sock.settimeout(self.left())
        sock.sendall(data)
