"""Clocks for code that waits."""

from __future__ import annotations

from rxfeed.feed import Clock


class Jumping(Clock):
    """A clock that each wait advances at once; *waited* has the length of each wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []
        self._seconds = 0.0
        self.now = lambda: self._seconds

    def real(self, seconds: float) -> float:
        self.waited.append(seconds)
        self._seconds += seconds
        return 0.0
