"""Which windows a time is in, and when they are output.

A windower has no state, and one serves all products. Its times are integers, Unix microseconds, so that a window at an
end of the calendar has its true start and end; results limit both to the calendar.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from rxfeed.core.arguments import Seconds, not_negative_microseconds, positive_microseconds

Span = tuple[int, int]
"""A window's start and end, in Unix microseconds; the end is not in the window."""


class Windower(ABC):
    """A kind of windows. A window is output when event time is its end plus *lateness* seconds."""

    __slots__ = ("lateness", "reach")

    fixed: ClassVar[bool] = False
    """True if each time of a window is in this window alone, whatever trades come. Then most trades cost far less."""
    merging: ClassVar[bool] = False
    """True if windows that overlap become one, from the first start to the last end.

    If the window of a trade overlaps one that was output, the trade is late.
    """

    def __init__(self, lateness: Seconds = 0) -> None:
        self.lateness = not_negative_microseconds("lateness", lateness)
        self.reach = 0
        """Microseconds before a window's start: a trade that was missed since then may have changed the window."""

    @abstractmethod
    def spans(self, time: int) -> Sequence[Span]:
        """The windows that contain *time*, the oldest first."""

    def due(self, time: int) -> int:
        """The next event time, after *time*, at which a window can be due; *time* itself if it can be at any."""
        return time


class Grid(Windower):
    """Windows of *seconds*, one directly after the other, aligned to the Unix epoch.

    >>> from rxfeed.core import Grid
    >>> Grid(60).spans(61_000_000)
    ((60000000, 120000000),)
    """

    __slots__ = ("width",)

    fixed = True

    def __init__(self, seconds: Seconds, lateness: Seconds = 0) -> None:
        self.width = positive_microseconds("seconds", seconds)
        super().__init__(lateness)

    def spans(self, time: int) -> tuple[Span]:
        start = time - time % self.width
        return ((start, start + self.width),)

    def due(self, time: int) -> int:
        return self.boundary(time) + self.width + self.lateness

    def boundary(self, time: int) -> int:
        """The end of the last window that is due at *time*."""
        passed = time - self.lateness
        return passed - passed % self.width
