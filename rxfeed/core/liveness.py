"""Is the other side still there? Times are seconds of any clock that only moves forward."""

from __future__ import annotations

import math


class Keepalive:
    """Says when a ping is due, whether or not messages flow, and what a pong's round trip was.

    *interval*: seconds between pings; `None` for no pings at all.
    """

    __slots__ = ("_count", "_due", "_sent", "interval")

    def __init__(self, interval: float | None, now: float) -> None:
        self.interval = interval
        self._due = math.inf if interval is None else now + interval
        self._count = 0
        self._sent: dict[bytes, float] = {}

    def remaining(self, now: float) -> float:
        """Seconds until the next ping is due, at least 0; infinite without pings."""
        return max(0.0, self._due - now)

    def step(self, now: float) -> tuple[bytes, ...]:
        """The payload of the ping to send at *now*, or nothing. After a jump of the clock one is due, not many."""
        if self.interval is None or now < self._due:
            return ()
        self._due = now + self.interval
        self._count += 1
        payload = b"rxfeed %d" % self._count
        # Only a silent server leaves pings unanswered, and a few of them say all there is to say.
        if len(self._sent) >= 8:
            del self._sent[next(iter(self._sent))]
        self._sent[payload] = now
        return (payload,)

    def pong(self, payload: bytes, now: float) -> float | None:
        """Seconds since the ping with *payload* was sent; `None` for a pong that nobody asked for."""
        sent = self._sent.pop(payload, None)
        return None if sent is None else now - sent
