"""Spaces requests evenly, so that no server gets more a second than it allows."""

from __future__ import annotations


class RateLimit:
    """At most *per_second* requests a second, without bursts. Times in seconds, of any clock that only moves forward.

    >>> from rxfeed.core import RateLimit
    >>> limit = RateLimit(per_second=2)
    >>> limit.reserve(100.0, 0.9), limit.reserve(100.0, 0.9), limit.reserve(100.0, 0.9)
    (0.0, 0.5, None)
    """

    __slots__ = ("_interval", "_next")

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = float("-inf")

    def reserve(self, now: float, at_most: float) -> float | None:
        """The seconds until the next request may be sent, which reserves it; `None` if they are over *at_most*."""
        at = max(now, self._next)
        if at - now > at_most:
            return None
        self._next = at + self._interval
        return at - now

    def hold(self, until: float) -> None:
        """Allow no further request before *until*, as a server may require."""
        self._next = max(self._next, until)
