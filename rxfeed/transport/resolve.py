"""Addresses of a host, before a deadline.

The system's resolver cannot be interrupted. It runs on a thread of its own, and an attempt that is over leaves it
there. Attempts that ask for the same host meanwhile wait for that thread, so that a resolver which hangs holds one
thread for each host.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Any

from rxfeed.transport.connect_attempt import ConnectAttempt

Address = tuple[socket.AddressFamily, Any]


class _Lookup:
    """One call of the resolver."""

    def __init__(self, host: str, port: int) -> None:
        self.addresses: list[Address] | None = None
        self.error: Exception | None = None
        self.waiting: list[threading.Event] = []
        self._host, self._port = host, port

    def run(self) -> None:
        try:
            self.addresses = _ask(self._host, self._port)
        except Exception as error:
            self.error = error
        finally:
            with _lock:
                _running.pop((self._host, self._port), None)
                for signal in self.waiting:
                    signal.set()


_lock = threading.Lock()
_running: dict[tuple[str, int], _Lookup] = {}


def resolve(host: str, port: int, attempt: ConnectAttempt) -> list[Address]:
    """The addresses of *host* to connect to, in the system's order.

    Raises `TimeoutError` at the attempt's deadline, and `OSError` or `UnicodeError` for a host without an address.
    """
    with contextlib.suppress(socket.gaierror, UnicodeError):  # an address as a text needs no resolver
        return _ask(host, port, socket.AI_NUMERICHOST)
    with _lock:
        lookup = _running.get((host, port))
        if lookup is None:
            lookup = _running[host, port] = _Lookup(host, port)
            threading.Thread(target=lookup.run, name="rxfeed-resolve", daemon=True).start()
        attempt.signal.clear()
        lookup.waiting.append(attempt.signal)
    while lookup.addresses is None and lookup.error is None:
        attempt.signal.wait(attempt.left())
    attempt.left()
    if lookup.error is not None:
        raise lookup.error
    assert lookup.addresses is not None
    return lookup.addresses


def _ask(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def _forget() -> None:
    """In a forked child no resolver's thread runs, and the lock may have been held."""
    global _lock  # there is one for the process
    _lock = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
