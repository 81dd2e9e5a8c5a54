"""Connections to a server on which a request was answered, kept for the next request."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time

_MOST = 4
_LONGEST_IDLE = 30.0
"""Seconds; servers close a connection after a minute or more without a request."""


class KeptConnections:
    """Keeps at most a few connections, for some seconds without a request each; from any thread.

    A forked process does not use those of its parent, on which two would read the answers of each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[socket.socket, float]] = []
        self._process = os.getpid()
        self._closed = False

    def take(self) -> socket.socket | None:
        """The connection that was used last, which is the caller's from now on; `None` if none can be used."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                sock, since = self._kept.pop()
            if self._process == os.getpid() and time.monotonic() - since < _LONGEST_IDLE and not _has_ended(sock):
                return sock
            sock.close()

    def keep(self, sock: socket.socket) -> None:
        """Keep *sock* for the next request, or close it."""
        with self._lock:
            keeps = not self._closed and len(self._kept) < _MOST and self._process == os.getpid()
            if keeps:
                self._kept.append((sock, time.monotonic()))
        if not keeps:
            sock.close()

    def discard(self) -> None:
        """Close all, since one of them got no answer: the network between may have changed."""
        with self._lock:
            kept, self._kept = self._kept, []
        for sock, _ in kept:
            sock.close()

    def close(self) -> None:
        """Close all, and keep none any more."""
        with self._lock:
            self._closed = True
        self.discard()


def _has_ended(sock: socket.socket) -> bool:
    """True if the server has closed *sock*, or has sent what was not requested."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():  # decrypted already
        return True
    try:
        sock.settimeout(0)
        socket.socket.recv(sock, 1, socket.MSG_PEEK)  # not SSLSocket.recv, which cannot peek
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
