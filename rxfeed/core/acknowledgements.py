"""Detects requested subscriptions that a server does not acknowledge.

Rules:
- A server acknowledges channel by channel, so only the last request of a series begins the time limit.
- Time is idle time, as in `liveness`: an acknowledgement that waits to be read is none that is missing.
- After a rejection nothing is reported until the next request, because the rejection has the reason.
- A server that acknowledges nothing at all, but sends data, is not reported.
- Each pair is reported once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from rxfeed.core.gaps import Pair


class AcknowledgementWatch:
    """Emits the pairs without an acknowledgement *patience* seconds after the last request of this connection.

    *reported*: the pairs that were emitted before; it is updated.

        >>> watch = AcknowledgementWatch(3.0, set())
        >>> watch.requested([("matches", "A-B"), ("matches", "C-D")], 0.0)
        >>> watch.acknowledged([("matches", "C-D")])
        >>> watch.step(2.9, False), watch.step(3.0, False), watch.step(9.0, False)
        ((), (('matches', 'C-D'),), ())
    """

    __slots__ = ("_answered", "_due", "_missing", "_patience", "_rejected", "_reported")

    def __init__(self, patience: float, reported: set[Pair]) -> None:
        self._patience = patience
        self._reported = reported
        self._missing: tuple[Pair, ...] = ()
        self._due = math.inf
        self._answered = self._rejected = False

    def requested(self, pairs: Iterable[Pair], now: float) -> None:
        """A series of requests begins, after which *pairs* are to be acknowledged."""
        self._missing, self._rejected = tuple(pairs), False
        self.sent(now)

    def sent(self, now: float) -> None:
        """A request of the series was sent."""
        self._due = now + self._patience

    def acknowledged(self, missing: Iterable[Pair]) -> None:
        """The server has acknowledged all but the pairs *missing*."""
        self._missing, self._answered = tuple(missing), True

    def rejected(self) -> None:
        """The server has rejected a request, and given the reason."""
        self._rejected = True

    def remaining(self, now: float) -> float:
        """Seconds until the time limit, at least 0; infinite if nothing is to be detected."""
        return max(0.0, self._due - now) if self._missing and not self._rejected else math.inf

    def step(self, now: float, data: bool) -> tuple[Pair, ...]:
        """The pairs that are missing since the last call; *data*: True if the server has sent data."""
        if now < self._due:
            return ()
        self._due = math.inf
        if self._rejected or (data and not self._answered):
            return ()
        found = tuple(pair for pair in self._missing if pair not in self._reported)
        self._reported.update(found)
        return found
