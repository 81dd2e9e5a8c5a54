"""The socket of an open connection: reads bytes, writes frames, and keeps the error of a failed write.

websocket-client's `WebSocket` is not used: it reads the socket three times for each frame, and its trace would log the
secrets of a request.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

from websocket import ABNF, STATUS_NORMAL

from rxfeed.errors import ConnectionLost
from rxfeed.secrets import Secret, revealed

# About 900 messages. From 128 KiB on, malloc would request memory from the system at each read, which costs more than
# everything else for a single message.
_CHUNK = 120 * 1024
PATIENCE = 0.02
"""The seconds that a read waits for data."""


class FrameSocket:
    """The client side of a connection, for one thread; *unread*: bytes that were read with the handshake."""

    def __init__(self, sock: socket.socket, unread: bytes, send_timeout: float) -> None:
        sock.settimeout(PATIENCE)
        self._socket = sock
        self._unread = unread
        self._send_timeout = send_timeout
        self._close_sent = False
        self.more = bool(unread) or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)
        """True if more data may wait that a selector does not show."""
        self.send_failure: OSError | None = None
        """The error of the first failed send. Bytes that have arrived can still be read."""

    @property
    def sock(self) -> socket.socket | None:
        """The socket; `None` once it is closed."""
        return None if self._socket.fileno() < 0 else self._socket

    def receive(self) -> bytes:
        """The bytes of one read; empty if none arrived within `PATIENCE`.

        Raises `OSError`, and `ConnectionLost` at the end of the stream.
        """
        if self._unread:
            chunk, self._unread = self._unread, b""
        else:
            try:
                chunk = self._socket.recv(_CHUNK)
            except (TimeoutError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self.more = False
                return b""
            if not chunk:
                raise ConnectionLost("the server ended the connection without a close frame")
        sock = self._socket
        self.more = sock.pending() > 0 if isinstance(sock, ssl.SSLSocket) else len(chunk) == _CHUNK
        return chunk

    def send_message(self, text: str | Secret) -> None:
        """Send one text message. Raises `OSError`."""
        self._send(_frame(ABNF.OPCODE_TEXT, revealed(text).encode()))

    def send_ping(self, payload: bytes) -> None:
        """Send a ping. Raises `OSError`."""
        self._send(_frame(ABNF.OPCODE_PING, payload))

    def send_pong(self, payload: bytes) -> None:
        """Send the answer to a ping, unless a send has failed; an error is kept in `send_failure` alone."""
        if self.send_failure is None:
            with contextlib.suppress(OSError):
                self._send(_frame(ABNF.OPCODE_PONG, payload))

    def send_close(self) -> bool:
        """Send a close frame, unless one was sent or a send has failed; True if it was sent now."""
        if self._close_sent or self.send_failure is not None:
            return False
        self._close_sent = True
        with contextlib.suppress(OSError):
            self._send(_frame(ABNF.OPCODE_CLOSE, STATUS_NORMAL.to_bytes(2, "big")))
        return self.send_failure is None

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _send(self, data: memoryview) -> None:
        # A server that does not read must not block this thread for long: one deadline for all parts of a frame.
        sock, deadline = self._socket, time.monotonic() + self._send_timeout
        try:
            while data:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the server does not read")
                sock.settimeout(left)
                data = data[sock.send(data) :]
        except OSError as error:
            self.send_failure = self.send_failure or error
            raise
        finally:
            sock.settimeout(PATIENCE)


def _frame(opcode: int, payload: bytes) -> memoryview:
    """A masked frame, as a view, because the repr of a view does not show its content."""
    return memoryview(ABNF.create_frame(payload, opcode).format())
