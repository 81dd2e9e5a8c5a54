"""When a backfill may send its next request, so that the repairs beside it need not wait.

All requests to a server have one rate limit, and each one that waits has reserved its turn. So the backfills of a
process together use only a part of it: what they send is sent at once, and a repair finds the next turn free.
"""

from __future__ import annotations

import math
import os
import threading
import time
from typing import ClassVar

from rxfeed.core import RateLimit
from rxfeed.secrets import Secret
from rxfeed.transport import Endpoint

_SHARE = 0.8
"""The part of a server's rate limit that backfills use."""


class BackfillTurns:
    """The turns of all backfills from one server, which allows *rate* requests a second; from any thread."""

    _all: ClassVar[dict[tuple[str, int, float], BackfillTurns]] = {}

    def __init__(self, rate: float) -> None:
        self._limit = RateLimit(rate * _SHARE)
        self._lock = threading.Lock()

    @classmethod
    def of(cls, rest_url: Secret, rate: float) -> BackfillTurns:
        """Those of the server at *rest_url*."""
        server = Endpoint.of(rest_url, ("http", "https"))
        return cls._all.setdefault((server.host, server.port, rate), BackfillTurns(rate))

    @classmethod
    def forked(cls) -> None:
        """Begin anew in a child process: another thread of the parent may have had a lock."""
        cls._all.clear()

    def wait(self) -> float:
        """The seconds until the next request may be sent, which takes this turn."""
        with self._lock:
            return self._limit.reserve(time.monotonic(), math.inf) or 0.0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BackfillTurns.forked)
