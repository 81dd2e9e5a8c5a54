"""A server in a process of its own that sends prepared frames faster than any client reads them."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def framed(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x81, size]) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + struct.pack("!H", size) + payload
    return b"\x81\x7f" + struct.pack("!Q", size) + payload


def _serve(blob: bytes, ready: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            sock, _ = listener.accept()
            with sock, suppress(OSError):
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += sock.recv(4096)
                key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
                digest = hashlib.sha1(key.split(b": ")[1] + GUID.encode()).digest()
                sock.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
                )
                sock.recv(4096)  # the subscription
                sock.sendall(blob)
                sock.recv(4096)  # the client has had enough: hang up, so that nobody waits for a goodbye


@contextmanager
def blaster(payloads: Sequence[bytes]) -> Iterator[str]:
    """The URL of a server that sends *payloads*, all of them at once, to each client that says something."""
    ours, theirs = multiprocessing.Pipe()
    blob = b"".join(map(framed, payloads))
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(blob, theirs), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{ours.recv()}"
    finally:
        process.kill()
        process.join()
