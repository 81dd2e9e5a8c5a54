"""websocket-client's `WebSocket`, with a buffer between it and the socket.

The library asks the socket three times for each frame and handles it in many calls. Here one large read holds many
frames: whole, unmasked text frames, which is nearly all of them, are cut straight from the buffer, and whatever else
stands at its front (control frames, fragments, masked frames) is left to the library, which reads from the same buffer.

Rules:
- The socket does not block. `fill()` is the only place that reads it, `_recv` only serves what is buffered, and raises
  `_Starved` where that is not enough; the library keeps what it had of a frame and goes on from there next time.
- While the library is inside a frame or a fragmented message (`_midway`), nothing is cut past it.
- A frame that declares more than `max_size`, or fragments that add up to more, raise `MessageTooBig` before they are
  buffered.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from websocket import ABNF, STATUS_NORMAL, WebSocket, WebSocketException

from rxfeed.errors import ConnectionLost, MessageTooBig

_CHUNK = 1 << 18
_FIN_TEXT = 0x81


class _Starved(Exception):
    """The buffer ends in mid-frame."""


class BufferedWebSocket(WebSocket):
    """A client's end of a connection; one thread owns it, and its socket does not block once it is connected."""

    def __init__(self, max_size: int, send_timeout: float, **options: Any) -> None:
        # Text goes to a JSON decoder, which rejects bad UTF-8 at a hundredth of the library's price.
        super().__init__(skip_utf8_validation=True, enable_multithread=False, **options)
        self._max_size = max_size
        self._send_timeout = send_timeout
        self._buffer = b""
        self._position = 0
        self._tail: list[bytes] = []  # of a long frame: joined to the buffer when enough of it is here
        self._tail_size = 0
        self._wanted = 0
        self._midway = False
        self._fragments = 0

    # ---- reading

    def fill(self) -> bool:
        """Read the socket once; True where more may be waiting that no selector would show.

        Raises `ConnectionLost` at the end of the stream.
        """
        sock = self.sock
        if sock is None:
            raise ConnectionLost("the connection is closed")
        try:
            chunk = sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not chunk:
            raise ConnectionLost("the server ended the connection without a close frame")
        if self._wanted > self._tail_size + len(chunk):
            self._tail.append(chunk)
            self._tail_size += len(chunk)
        else:
            self._buffer = b"".join((self._buffer[self._position :], *self._tail, chunk))
            self._position = self._wanted = self._tail_size = 0
            self._tail = []
        return sock.pending() > 0 if isinstance(sock, ssl.SSLSocket) else len(chunk) == _CHUNK

    def take(self) -> list[bytes | ABNF]:
        """All that the buffer holds: a text or binary message as its bytes, a control frame as a frame."""
        taken: list[bytes | ABNF] = []
        while self._wanted == 0:
            if not self._midway:
                self._cut(taken)
            if self._wanted or self._position >= len(self._buffer):
                break
            try:
                opcode, frame = self.recv_data_frame(control_frame=True)
            except _Starved:
                self._midway = True
                break
            # A control frame may stand between the fragments of a message that is not over yet.
            self._midway = self.cont_frame.recving_frames is not None
            taken.append(frame.data if opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY) else frame)
            if opcode == ABNF.OPCODE_CLOSE:
                break
        return taken

    def _cut(self, taken: list[bytes | ABNF]) -> None:
        """Move the whole text frames at the buffer's front to *taken*; the one place that every message passes."""
        buffer, position = self._buffer, self._position
        end = len(buffer)
        while end - position >= 2 and buffer[position] == _FIN_TEXT:
            size = buffer[position + 1]
            start = position + 2
            if size == 126:
                start = position + 4
                if start > end:
                    break
                size = buffer[position + 2] << 8 | buffer[position + 3]
            elif size == 127:
                start = position + 10
                if start > end:
                    break
                size = int.from_bytes(buffer[position + 2 : start], "big")
            elif size > 127:  # masked: the library knows how
                break
            stop = start + size
            if stop > end:
                self._check(size)
                self._wanted = stop - end
                break
            if size > self._max_size:
                self._check(size)
            taken.append(buffer[start:stop])
            position = stop
        self._position = position

    def _recv(self, bufsize: int) -> bytes:
        # The library has read the header, and asks for the payload bit by bit.
        if self.frame_buffer.length:
            self._check(self.frame_buffer.length)
        chunk = self._buffer[self._position : self._position + bufsize]
        if not chunk:
            raise _Starved
        self._position += len(chunk)
        return chunk

    def recv_frame(self) -> ABNF:
        frame = super().recv_frame()
        if frame.opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT):
            self._fragments += len(frame.data)
            self._check(self._fragments)
            if frame.fin:
                self._fragments = 0
        return frame

    def _check(self, size: int) -> None:
        if size > self._max_size:
            raise MessageTooBig(f"a message of at least {size:,} bytes: max_size is {self._max_size:,}")

    # ---- sending

    def _send(self, data: bytes | str) -> int:
        # A server that reads nothing must not hold us for long, and a short write must not be lost.
        sock = self.sock
        if sock is None:
            raise ConnectionLost("the connection is closed")
        sock.settimeout(self._send_timeout)
        try:
            return super()._send(data)
        finally:
            sock.settimeout(0)

    def send_close(self, status: int = STATUS_NORMAL, reason: str | bytes = b"") -> None:
        # The library answers a close frame before it hands it out; a peer that is gone must not cost us its reason.
        with contextlib.suppress(OSError, WebSocketException, ConnectionLost):
            super().send_close(status, reason)
