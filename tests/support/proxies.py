"""A proxy for connections of a client under test."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.support.wire import Wire


class Proxy:
    """An HTTP proxy that accepts CONNECT, or answers with *status*."""

    def __init__(self, status: str = "200 OK") -> None:
        self.status = status
        self.heard = b""

    def play(self, wire: Wire) -> None:
        wire.read_request()
        self.heard = wire.request
        wire.send(f"HTTP/1.1 {self.status}\r\n\r\n")
        if not self.status.startswith("200"):
            return
        host, port = wire.request.split()[1].split(b":")
        with socket.create_connection((host.decode(), int(port))) as onward:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := onward.recv(65536):
                        wire.send(data)

            pump = threading.Thread(target=back)
            pump.start()
            with contextlib.suppress(OSError):
                while data := wire.sock.recv(65536):
                    onward.sendall(data)
            onward.shutdown(socket.SHUT_RDWR)
            pump.join()
