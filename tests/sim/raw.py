"""A client that sends and receives bytes, for frames that a library would hide or reject."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, NamedTuple

from rxfeed.sim import Exchange
from tests.support.wire import frame

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Got(NamedTuple):
    """A frame as it was received."""

    opcode: int
    payload: bytes
    fin: bool = True
    mask: bytes = b""

    @property
    def message(self) -> Any:
        return json.loads(self.payload)


class Raw:
    """Connects, and completes the handshake unless *upgrade* is false."""

    def __init__(self, exchange: Exchange, *, upgrade: bool = True, timeout: float = 30) -> None:
        self.exchange = exchange
        self.sock = socket.create_connection(("127.0.0.1", int(exchange.url.rpartition(":")[2])), timeout=timeout)
        if upgrade:
            try:
                assert self.upgrade().startswith(b"HTTP/1.1 101 ")
            except BaseException:
                self.sock.close()
                raise

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def upgrade(self) -> bytes:
        """The response's head."""
        self.sock.sendall(REQUEST)
        return self.head()

    def head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._exactly(1)
        return head

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        self.sock.sendall(frame(payload, opcode, mask=b"abcd"))

    def subscribe(self, *channels: str, **extra: Any) -> None:
        request = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": channels} | extra
        self.send(json.dumps(request).encode())

    def read(self) -> Got:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8))
        mask = self._exactly(4) if second & 0x80 else b""
        payload = self._exactly(size)
        if mask:
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        return Got(first & 0x0F, payload, bool(first & 0x80), mask)

    def ping(self, payload: bytes = b"?") -> Got:
        """What comes next after a ping."""
        self.send(payload, PING)
        return self.read()

    def is_silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes, not even an end."""
        self.sock.settimeout(seconds)
        with suppress(TimeoutError):
            self.sock.recv(1, socket.MSG_PEEK)
            return False
        self.sock.settimeout(30)
        return True

    def at_end(self) -> bool:
        """Whether the stream ends here."""
        return self.sock.recv(1) == b""

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError(f"the stream ended after {bytes(data)!r}")
            data += more
        return bytes(data)
