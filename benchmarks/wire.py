"""WebSocket framing in both directions, as far as a server or a bare loop needs it."""

from __future__ import annotations

import base64
import hashlib
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING, _PONG = 8, 9, 10


def framed(payload: bytes, head: int = 0x81) -> bytes:
    """A server's frame: whole, unmasked, and text unless *head* is given."""
    size = len(payload)
    if size < 126:
        return bytes([head, size]) + payload
    if size < 1 << 16:
        return bytes([head, 126]) + struct.pack("!H", size) + payload
    return bytes([head, 127]) + struct.pack("!Q", size) + payload


def accept(request: bytes) -> bytes:
    """The answer to a client's handshake."""
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    digest = hashlib.sha1(key.split(b": ")[1] + GUID.encode()).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def cut(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of the whole frames at the start of *buffer*, and the rest; the frames are a server's."""
    payloads: list[bytes] = []
    position, end = 0, len(buffer)
    while end - position >= 2:
        size, start = buffer[position + 1], position + 2
        if size == 126:
            start += 2
            size = int.from_bytes(buffer[start - 2 : start], "big")
        elif size == 127:
            start += 8
            size = int.from_bytes(buffer[start - 8 : start], "big")
        if start + size > end:
            break
        payloads.append(buffer[start : start + size])
        position = start + size
    return payloads, buffer[position:]


class Inbox:
    """Reads a client's frames: its pings, and whether it has sent a close frame."""

    def __init__(self) -> None:
        self.closed = False
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """The pongs for the pings in *data*, one for each as servers do, or nothing."""
        buffer, position = self._buffer + data, 0
        pongs: list[bytes] = []
        while len(buffer) - position >= 2:
            opcode, size = buffer[position] & 0x0F, buffer[position + 1] & 0x7F
            start = position + 2 + {126: 2, 127: 8}.get(size, 0)
            if size > 125:
                size = int.from_bytes(buffer[position + 2 : start], "big")
            stop = start + 4 + size
            if len(buffer) < stop:
                break
            if opcode == _PING:
                mask = int.from_bytes((buffer[start : start + 4] * (size // 4 + 1))[:size], "big")
                payload = (int.from_bytes(buffer[start + 4 : stop], "big") ^ mask).to_bytes(size, "big")
                pongs.append(framed(payload, 0x80 | _PONG))
            self.closed = self.closed or opcode == _CLOSE
            position = stop
        self._buffer = buffer[position:]
        return b"".join(pongs)
