"""A server that a test scripts byte by byte, for data that a correct server does not send."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Play = Callable[["Wire"], None]


def frame(payload: bytes | str, opcode: int = 1, *, fin: bool = True, mask: bytes = b"", rsv: int = 0) -> bytes:
    """One WebSocket frame."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes([fin << 7 | rsv << 4 | opcode])
    masked = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([masked | len(data)])
    elif len(data) < 1 << 16:
        head += bytes([masked | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", len(data))
    if mask:
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    return head + mask + data


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(struct.pack("!H", code) + reason.encode(), 8)


class Wire:
    """One accepted connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.request = b""

    def shake(self) -> None:
        """The server's half of the handshake."""
        self.read_request()
        key = next(
            line.split(b":", 1)[1].strip()
            for line in self.request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID.encode()).digest()).decode()
        self.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )

    def read_request(self) -> None:
        while not self.request.endswith(b"\r\n\r\n"):
            more = self.sock.recv(4096)
            if not more:
                raise ConnectionError("gone")
            self.request += more

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def recv_frame(self) -> tuple[int, bytes]:
        """The client's next frame: opcode and payload, unmasked."""
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._exactly(8))[0]
        mask = self._exactly(4)
        data = self._exactly(size)
        return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))

    def until_closed(self) -> None:
        """Read, and answer nothing but the client's close frame."""
        with suppress(OSError):
            while self.recv_frame()[0] != 8:
                pass
            self.send(close_frame(1000))

    def until_disconnected(self) -> None:
        """Read, and answer nothing, until the client hangs up."""
        with suppress(OSError):
            while self.sock.recv(65536):
                pass

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise ConnectionError("gone")
            data += more
        return data


class WireServer:
    """Plays *play* for every connection, each in a thread; what it raises, other than a lost client, fails the test."""

    def __init__(self, play: Play, context: ssl.SSLContext | None = None) -> None:
        self._play = play
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.failures: list[BaseException] = []
        self.port = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'wss' if self._context else 'ws'}://127.0.0.1:{self.port}"

    def __enter__(self) -> WireServer:
        self._threads.append(threading.Thread(target=self._accept, name="wire-accept"))
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._socks:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for sock in self._socks:
            sock.close()
        if kind is None and self.failures:
            raise self.failures[0]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socks.append(sock)
                thread = threading.Thread(target=self._one, args=(sock,), name="wire")
                self._threads.append(thread)
                thread.start()

    def _one(self, sock: socket.socket) -> None:
        try:
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._play(Wire(sock))
        except OSError:
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def playing(*pieces: bytes | str) -> Play:
    """Shake hands, take the subscription, send *pieces* in turn, then stay silent until the client goes."""

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for piece in pieces:
            wire.send(piece)
        wire.until_disconnected()

    return play
