"""The rate limit of all clients of a server, since a server counts the requests of an address."""

from __future__ import annotations

import os
import threading
import time
from typing import ClassVar
from weakref import WeakValueDictionary

from rxfeed.core import RateLimit
from rxfeed.secrets import Secret, revealed


class SharedLimit:
    """At most *rate* requests a second; from any thread. `of` returns the one of a server."""

    _all: ClassVar[WeakValueDictionary[tuple[str, int, int | None, float], SharedLimit]] = WeakValueDictionary()
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, rate: float) -> None:
        self._rate = RateLimit(rate)
        self._lock = threading.Lock()

    @classmethod
    def of(cls, host: str, port: int, proxy: str | Secret | None, rate: float) -> SharedLimit:
        """That of *rate* requests a second to a server, through *proxy*, as long as a client has it."""
        key = host, port, None if proxy is None else hash(revealed(proxy)), rate
        with cls._making:
            found = cls._all.get(key)
            if found is None:
                found = cls._all[key] = SharedLimit(rate)
            return found

    @classmethod
    def forked(cls) -> None:
        """Begin anew in a child process: another thread of the parent may have had the lock."""
        cls._making, cls._all = threading.Lock(), WeakValueDictionary()

    def reserve(self, at_most: float) -> float | None:
        """The seconds until the next request may be sent, which reserves it; `None` if they are over *at_most*."""
        with self._lock:
            return self._rate.reserve(time.monotonic(), at_most)

    def hold(self, seconds: float) -> None:
        """Allow no further request for so long."""
        with self._lock:
            self._rate.hold(time.monotonic() + seconds)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SharedLimit.forked)
