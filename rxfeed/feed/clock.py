"""The clock of a feed, for everything that waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from rxfeed.core import arguments
from rxfeed.market import moment


class Clock:
    """A monotonic clock that runs *speed* times as fast as the wall clock, for tests that wait for something.

    A feed's time-outs, pings and back-off use this clock. The time that the network takes does not depend on it.
    """

    def __init__(self, speed: float = 1.0) -> None:
        arguments.above_zero("speed", speed)
        self.speed = speed
        # A bare function, because a feed calls it in every cycle of its loop.
        self.now: Callable[[], float] = time.monotonic if speed == 1 else lambda: time.monotonic() * speed
        """Seconds."""

    def real(self, seconds: float) -> float:
        """The seconds of the wall clock that *seconds* of this clock take."""
        return seconds / self.speed


def utc_now() -> datetime:
    """The time of the system's clock in UTC, the clock that times of receipt are read from."""
    return moment(time.time_ns() // 1000)
