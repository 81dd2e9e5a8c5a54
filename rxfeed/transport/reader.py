"""websocket-client's `WebSocket`, with a buffer between it and the socket.

The library reads the socket three times for each frame and makes many calls. Here, one large read has many frames.
Complete, unmasked text frames, which are nearly all frames, are sliced directly from the buffer. All other frames
(control frames, fragments, masked frames) are taken one by one, when they are completely in the buffer.

Rules:
- Only `fill()` reads the socket. It waits at most `PATIENCE` seconds.
- A frame is taken when it is complete. Until then, the missing `_wanted` bytes are kept as pieces, without a copy.
- An invalid frame header is an error at once: nothing is buffered for such a frame.
- Frames before an error are returned; `take()` keeps the error as `failure`, and raises it at its next call.
- A failed send is not an error of reading. It is kept as `send_failure`, and arrived frames can still be read.
- A message over `max_size`, whole or in fragments, is skipped and never buffered; `Oversized` replaces it.
- The fragments of a message are kept as a list, with a bound on their number, and joined once.
- No message is passed to the library's trace, because a server may repeat secrets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

import msgspec
from websocket import ABNF, STATUS_NORMAL, WebSocket, WebSocketException, WebSocketProtocolException

from rxfeed.errors import ConnectionLost
from rxfeed.secrets import Secret, revealed
from rxfeed.transport.exceptions import FAILURES

# About 500 messages. With four times as much, malloc would request memory from the system at each read, which costs
# more than everything else for a single message.
_CHUNK = 1 << 16
_FIN_TEXT = 0x81
_BEGINNING = 512
_MOST_IN_A_CONTROL_FRAME = 125
_MOST_FRAGMENTS = 100_000
PATIENCE = 0.02
"""The seconds that a read waits for data."""


class Oversized(msgspec.Struct, frozen=True, eq=False):
    """A message of *size* bytes was skipped; *beginning*: its first bytes, as many as were in the buffer.

    Two of the same size are equal, because the length of *beginning* depends on timing.
    """

    size: int
    beginning: bytes = b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Oversized) and other.size == self.size

    def __hash__(self) -> int:
        return hash(self.size)


class BufferedWebSocket(WebSocket):
    """The client side of a connection, for one thread; when connected, its socket has the time-out `PATIENCE`."""

    def __init__(self, max_size: int, send_timeout: float, **options: Any) -> None:
        # The JSON decoder rejects bad UTF-8, at a hundredth of the library's cost.
        super().__init__(skip_utf8_validation=True, enable_multithread=False, **options)
        self._max_size = max_size
        self._send_timeout = send_timeout
        self._buffer = b""
        self._position = 0
        self._tail: list[bytes] = []  # pieces of a long frame: joined to the buffer when it is complete
        self._tail_size = 0
        self._wanted = 0
        self._fragments: list[bytes] | None = None  # of the incomplete message
        self.read_size = 0
        """Bytes of the last `fill`."""
        self._message_size = 0  # of the fragments so far
        self._passing = 0  # bytes of a frame that are still to be skipped
        self._passed = 0  # payload bytes of a message that is being skipped
        self._beginning = b""  # of that message
        self.mixed = False
        """True if the last result of `take` has more than messages."""
        self.failure: Exception | None = None
        """The error after the last result of `take`: the next `take()` raises it."""
        self.send_failure: Exception | None = None
        """The error of the first failed send. Frames that have arrived can still be read."""

    def attach(self, sock: socket.socket, unread: bytes) -> None:
        """Continue with *sock* after the handshake; *unread*: the bytes after its response."""
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.connected = True
        self._buffer, self._position = unread, 0

    # ---- reading

    def fill(self) -> bool:
        """Read the socket once; True if more data may wait that a selector does not show.

        Raises `ConnectionLost` at the end of the stream.
        """
        sock = self.sock
        if sock is None:
            raise ConnectionLost("the connection is closed")
        try:
            chunk = sock.recv(_CHUNK)
        except (TimeoutError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self.read_size = 0
            return False
        if not chunk:
            raise ConnectionLost("the server ended the connection without a close frame")
        self.read_size = len(chunk)
        if self._wanted > self._tail_size + len(chunk):
            self._tail.append(chunk)
            self._tail_size += len(chunk)
        elif self._position == len(self._buffer):  # the buffer was used up, as it is nearly always
            self._buffer, self._position = chunk, 0
        else:
            self._buffer = b"".join((self._buffer[self._position :], *self._tail, chunk))
            self._position = self._wanted = self._tail_size = 0
            self._tail = []
        return sock.pending() > 0 if isinstance(sock, ssl.SSLSocket) else len(chunk) == _CHUNK

    def take(self) -> list[bytes | ABNF | Oversized]:
        """The complete messages in the buffer as bytes, and control frames as frames.

        Raises an error of the first frame; an error after valid frames is raised by the next call.
        """
        taken: list[bytes | ABNF | Oversized] = []
        self.mixed = False
        if self.failure is not None:
            raise self.failure
        try:
            while self._wanted == 0:
                if self._passing:
                    self._pass_over()
                if self._fragments is None and not self._passed:
                    self._cut(taken)
                if self._wanted or self._position >= len(self._buffer) or not self._next(taken):
                    break
        except FAILURES as error:
            self.failure = error
            if not taken:
                raise
        return taken

    def _cut(self, taken: list[bytes | ABNF | Oversized]) -> None:
        """Move the complete text frames at the front of the buffer to *taken*; every message passes here."""
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
            elif size > 127:  # masked
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

    def _next(self, taken: list[bytes | ABNF | Oversized]) -> bool:
        """Move the frame at the front of the buffer to *taken*; False if it is incomplete, or the last one."""
        head = self._buffer[self._position : self._position + 14]
        if len(head) < 2:
            return False
        opcode, last, length = head[0] & 0x0F, bool(head[0] & 0x80), head[1] & 0x7F
        control = opcode >= ABNF.OPCODE_CLOSE
        self._check(opcode, length, last=last, reserved=head[0] & 0x70)
        extended = {126: 2, 127: 8}.get(length, 0)
        if len(head) < 2 + extended:
            return False
        size = int.from_bytes(head[2 : 2 + extended], "big") if extended else length
        mask = 4 if head[1] & 0x80 else 0
        whole = 2 + extended + mask + size
        if not control and (self._passed or self._message_size + size > self._max_size):
            self._drop(whole, size, taken, last=last)
            return True
        end = self._position + whole
        if end > len(self._buffer):
            self._wanted = end - len(self._buffer)
            return False
        payload = self._buffer[end - size : end]
        if mask:
            payload = ABNF.mask(self._buffer[end - size - mask : end - size], payload)
        self._position = end
        if control:
            return self._control(ABNF(1, 0, 0, 0, opcode, 0, payload), taken)
        self._gather(payload, taken, last=last)
        return True

    def _check(self, opcode: int, length: int, *, last: bool, reserved: int) -> None:
        """Raise the errors of a frame that its first two bytes show."""
        if reserved:
            raise WebSocketProtocolException("a frame has a reserved bit set, and no extension was negotiated")
        if opcode not in ABNF.OPCODES:
            raise WebSocketProtocolException(f"a frame has the unknown opcode {opcode}")
        if opcode >= ABNF.OPCODE_CLOSE:
            if not last:
                raise WebSocketProtocolException("a control frame is fragmented")
            if length > _MOST_IN_A_CONTROL_FRAME:
                raise WebSocketProtocolException(f"a control frame has over {_MOST_IN_A_CONTROL_FRAME} bytes")
        elif (opcode == ABNF.OPCODE_CONT) != (self._fragments is not None or self._passed > 0):
            reason = "continues no message" if opcode == ABNF.OPCODE_CONT else "begins inside another message"
            raise WebSocketProtocolException(f"a frame {reason}")

    def _control(self, frame: ABNF, taken: list[bytes | ABNF | Oversized]) -> bool:
        frame.validate(skip_utf8_validation=True)
        taken.append(frame)
        self.mixed = True
        if frame.opcode == ABNF.OPCODE_CLOSE:
            self.send_close()
            return False
        if frame.opcode == ABNF.OPCODE_PING and self.send_failure is None:
            with contextlib.suppress(*FAILURES):  # `send_failure` has the error; later frames have arrived
                self.pong(frame.data)
        return True

    def _gather(self, payload: bytes, taken: list[bytes | ABNF | Oversized], *, last: bool) -> None:
        """Take the *payload* of a text, binary or continuation frame."""
        if self._fragments is None:
            if last:
                taken.append(payload)
                return
            self._fragments = []
        self._fragments.append(payload)
        self._message_size += len(payload)
        if last:
            taken.append(b"".join(self._fragments))
            self._fragments, self._message_size = None, 0
        elif len(self._fragments) >= _MOST_FRAGMENTS:
            raise WebSocketProtocolException(f"a message has over {_MOST_FRAGMENTS:,} fragments")

    # ---- messages that are too big

    def _drop(self, whole: int, size: int, taken: list[bytes | ABNF | Oversized], *, last: bool) -> None:
        """Begin to skip a frame of *whole* bytes with a payload of *size*, and drop the fragments of its message."""
        if not self._passed:
            start = self._position + whole - size
            self._beginning = (self._fragments or [self._buffer[start : start + _BEGINNING]])[0][:_BEGINNING]
        self._passed += self._message_size + size
        self._fragments, self._message_size = None, 0
        self._passing = whole
        if last:
            taken.append(Oversized(self._passed, self._beginning))
            self.mixed = True
            self._passed = 0

    def _pass_over(self) -> None:
        step = min(self._passing, len(self._buffer) - self._position)
        self._position += step
        self._passing -= step

    # ---- sending

    def send_message(self, text: str | Secret) -> None:
        """Send *text* without the library's trace, because it may be a signed request."""
        data = _text_frame(text)
        while data:
            data = data[self._send(data) :]

    def _send(self, data: bytes | memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]  # never a str
        # A server that does not read must not block this thread for long, and the rest of a short write must be sent.
        sock = self.sock
        if sock is None:
            raise ConnectionLost("the connection is closed")
        sock.settimeout(self._send_timeout)
        try:
            return sock.send(data)
        except OSError as error:
            self.send_failure = self.send_failure or error
            raise
        finally:
            sock.settimeout(PATIENCE)

    def send_close(self, status: int = STATUS_NORMAL, reason: str | bytes = b"") -> None:
        # The library answers a close frame before it returns it. If the peer is gone, its reason must not be lost.
        with contextlib.suppress(OSError, WebSocketException, ConnectionLost):
            super().send_close(status, reason)


def _text_frame(text: str | Secret) -> memoryview:
    """The frame of *text* as a view, because the repr of a view does not show its content."""
    return memoryview(ABNF.create_frame(revealed(text), ABNF.OPCODE_TEXT).format())
