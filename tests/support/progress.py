"""How far connections have read, for servers that must not be ahead of them."""

from __future__ import annotations

import threading

import pytest

from rxfeed.transport import Connection
from rxfeed.transport.frame_socket import FrameSocket


class ReadProgress:
    """Counts the bytes that all connections of this process read after their handshake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.size = 0
        self._closed = False
        self._changed = threading.Condition()
        self._waited = 0
        receive, close, readable = FrameSocket.receive, Connection.close, Connection._readable

        def counted(sock: FrameSocket) -> bytes:
            data = receive(sock)
            with self._changed:
                self.size += len(data)
                self._changed.notify_all()
            return data

        def waiting(connection: Connection, timeout: float) -> bool:
            with self._changed:
                self._waited = self.size
                self._changed.notify_all()
            return readable(connection, timeout)

        def noted(connection: Connection, timeout: float = 1.0) -> None:
            close(connection, timeout)
            with self._changed:
                self._closed = True
                self._changed.notify_all()

        monkeypatch.setattr(FrameSocket, "receive", counted)
        monkeypatch.setattr(Connection, "_readable", waiting)
        monkeypatch.setattr(Connection, "close", noted)

    def reaches(self, size: int) -> bool:
        """True when *size* bytes were read and a connection waits for more; False when one was closed before."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._closed or self.size >= size, 30)
            # With a whole message, the connection may wait on the socket alone.
            self._changed.wait_for(lambda: self._closed or self._waited >= size, 1)
            return self.size >= size
