"""Addresses of a host, within a deadline.

- The system's resolver cannot be interrupted, so it runs on its own thread. An attempt that ends does not stop it.
- Further attempts for the same host wait for the running thread, so a resolver that hangs blocks one thread for each
  host.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

from rxfeed.transport.connect_attempt import ConnectAttempt

Address = tuple[socket.AddressFamily, tuple[object, ...]]


class _Lookup:
    """One call of the resolver."""

    def __init__(self, host: str, port: int) -> None:
        self.addresses: list[Address] | None = None
        self.error: Exception | None = None
        self.waiting: list[threading.Event] = []
        self._host, self._port = host, port

    def run(self) -> None:
        try:
            self.addresses = _look_up(self._host, self._port)
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
    with contextlib.suppress(socket.gaierror, UnicodeError):  # a numeric address needs no resolver
        return _look_up(host, port, socket.AI_NUMERICHOST)
    inline: _Lookup | None = None
    with _lock:
        lookup = _running.get((host, port))
        if lookup is None:
            lookup = _running[host, port] = _Lookup(host, port)
            thread = threading.Thread(target=lookup.run, name="rxfeed-resolve", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # from 3.12 on, once the main thread has ended; the deadline is the system's then
                inline = lookup
        attempt.signal.clear()
        lookup.waiting.append(attempt.signal)
    if inline is not None:
        inline.run()
    while lookup.addresses is None and lookup.error is None:
        attempt.signal.wait(attempt.left())
    attempt.left()
    if lookup.error is not None:
        raise lookup.error
    assert lookup.addresses is not None
    return lookup.addresses


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]


def _reset() -> None:
    """Reset the state in a forked child process, which has no resolver threads, and where the lock may be held."""
    global _lock  # one lock for the process
    _lock = threading.Lock()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
