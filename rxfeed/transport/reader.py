"""websocket-client's `WebSocket`, with a buffer between it and the socket.

The library asks the socket three times for each frame and handles it in many calls. Here one large read holds many
frames: whole, unmasked text frames, which is nearly all of them, are cut straight from the buffer, and whatever else
stands at its front (control frames, fragments, masked frames) is left to the library, which reads from the same buffer.

Rules:
- `fill()` is the only place that reads the socket, and waits `PATIENCE` seconds at most; `_recv` only serves what is
  buffered, and raises `_Starved` where that is not enough; the library keeps what it had of a frame and goes on from
  there next time.
- While the library is inside a frame or a fragmented message (`_midway`), nothing is cut past it.
- A message over `max_size`, whole or in fragments, is passed over and never buffered; `Oversized` stands in its place.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import msgspec
from websocket import ABNF, STATUS_NORMAL, WebSocket, WebSocketException, WebSocketProtocolException

from rxfeed.errors import ConnectionLost

# Some 500 messages at once. For four times as much malloc would ask the system for memory anew at each read, which
# costs more than all else that a single message costs.
_CHUNK = 1 << 16
_FIN_TEXT = 0x81
_BEGINNING = 512
PATIENCE = 0.02
"""Seconds that a read may wait for something to come."""


class Oversized(msgspec.Struct, frozen=True, eq=False):
    """A message of *size* bytes was passed over; *beginning*: its first bytes, as many as were at hand.

    Two of the same size are equal: how much was at hand is chance.
    """

    size: int
    beginning: bytes = b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Oversized) and other.size == self.size

    def __hash__(self) -> int:
        return hash(self.size)


class _Starved(Exception):
    """The buffer ends in mid-frame."""


class _TooBig(Exception):
    """The next frame makes its message too big."""

    def __init__(self, frame_size: int, payload_size: int, *, last: bool) -> None:
        super().__init__()
        self.frame_size, self.payload_size, self.last = frame_size, payload_size, last


class BufferedWebSocket(WebSocket):
    """A client's end of a connection; one thread owns it, and once connected its socket has `PATIENCE`."""

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
        self.mixed = False
        """What was taken last holds more than messages."""
        self._inside_frame = False
        self._message_size = 0  # of the fragments so far
        self._passing = 0  # bytes of a frame still to be passed over
        self._passed = 0  # payload bytes of a message that is being passed over
        self._beginning = b""  # of that message

    # ---- reading

    def fill(self) -> bool:
        """Read the socket once, if something comes; True where more may be waiting that no selector would show.

        Raises `ConnectionLost` at the end of the stream.
        """
        sock = self.sock
        if sock is None:
            raise ConnectionLost("the connection is closed")
        try:
            chunk = sock.recv(_CHUNK)
        except (TimeoutError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not chunk:
            raise ConnectionLost("the server ended the connection without a close frame")
        if self._wanted > self._tail_size + len(chunk):
            self._tail.append(chunk)
            self._tail_size += len(chunk)
        elif self._position == len(self._buffer):  # all before it was whole frames, as it nearly always is
            self._buffer, self._position = chunk, 0
        else:
            self._buffer = b"".join((self._buffer[self._position :], *self._tail, chunk))
            self._position = self._wanted = self._tail_size = 0
            self._tail = []
        return sock.pending() > 0 if isinstance(sock, ssl.SSLSocket) else len(chunk) == _CHUNK

    def take(self) -> list[bytes | ABNF | Oversized]:
        """All that the buffer holds: a text or binary message as its bytes, a control frame as a frame."""
        taken: list[bytes | ABNF | Oversized] = []
        self.mixed = False
        while self._wanted == 0:
            if self._passing:
                self._pass_over()
            if not self._midway:
                self._cut(taken)
            if self._wanted or self._position >= len(self._buffer):
                break
            try:
                opcode, frame = self.recv_data_frame(control_frame=True)
            except _Starved:
                self._midway = True
                break
            except _TooBig as frame:
                self._drop(frame, taken)
                continue
            # A control frame may stand between the fragments of a message that is not over yet.
            self._midway = self.cont_frame.recving_frames is not None or self._passed > 0
            if opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY):
                taken.append(frame.data)
            else:
                taken.append(frame)
                self.mixed = True
            if opcode == ABNF.OPCODE_CLOSE:
                break
        return taken

    def _cut(self, taken: list[bytes | ABNF | Oversized]) -> None:
        """Move the whole text frames at the buffer's front to *taken*; the one place that every message passes."""
        buffer, position, most = self._buffer, self._position, self._max_size
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
            if size > most:
                break
            stop = start + size
            if stop > end:
                self._wanted = stop - end
                break
            taken.append(buffer[start:stop])
            position = stop
        self._position = position

    def _recv(self, bufsize: int) -> bytes:
        chunk = self._buffer[self._position : self._position + bufsize]
        if not chunk:
            raise _Starved
        self._position += len(chunk)
        return chunk

    def recv_frame(self) -> ABNF:
        if not self._inside_frame:
            self._look_ahead()
            self._inside_frame = True
        frame = super().recv_frame()
        self._inside_frame = False
        if frame.opcode < ABNF.OPCODE_CLOSE:
            self._message_size = 0 if frame.fin else self._message_size + len(frame.data)
        return frame

    # ---- messages that are too big

    def _look_ahead(self) -> None:
        """Read the next frame's header without taking it; raises `_TooBig` where the frame must not be read."""
        head = self._buffer[self._position : self._position + 14]
        if len(head) < 2:
            raise _Starved
        opcode, length = head[0] & 0x0F, head[1] & 0x7F
        if opcode >= ABNF.OPCODE_CLOSE:
            return
        if self._passed and opcode != ABNF.OPCODE_CONT:
            raise WebSocketProtocolException("Illegal frame")
        extended = {126: 2, 127: 8}.get(length, 0)
        if len(head) < 2 + extended:
            raise _Starved
        size = int.from_bytes(head[2 : 2 + extended], "big") if extended else length
        if self._passed or self._message_size + size > self._max_size:
            mask = 4 if head[1] & 0x80 else 0
            raise _TooBig(2 + extended + mask + size, size, last=bool(head[0] & 0x80))

    def _drop(self, frame: _TooBig, taken: list[bytes | ABNF | Oversized]) -> None:
        if not self._passed:
            start = self._position + frame.frame_size - frame.payload_size
            before = self.cont_frame.cont_data
            self._beginning = bytes(before[1][:_BEGINNING] if before else self._buffer[start : start + _BEGINNING])
        self._passed += self._message_size + frame.payload_size
        self._message_size = 0
        self.cont_frame.cont_data = self.cont_frame.recving_frames = None
        self._passing = frame.frame_size
        self._midway = not frame.last
        if frame.last:
            taken.append(Oversized(self._passed, self._beginning))
            self.mixed = True
            self._passed = 0

    def _pass_over(self) -> None:
        step = min(self._passing, len(self._buffer) - self._position)
        self._position += step
        self._passing -= step

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
            sock.settimeout(PATIENCE)

    def send_close(self, status: int = STATUS_NORMAL, reason: str | bytes = b"") -> None:
        # The library answers a close frame before it hands it out; a peer that is gone must not cost us its reason.
        with contextlib.suppress(OSError, WebSocketException, ConnectionLost):
            super().send_close(status, reason)
