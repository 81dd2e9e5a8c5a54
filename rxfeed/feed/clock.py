"""What time it is, for whatever waits."""

from __future__ import annotations

import time
from collections.abc import Callable

from rxfeed.errors import ConfigError


class Clock:
    """A clock that only moves forward, *speed* times as fast as the wall's: for tests that wait for something.

    Time-outs, pings and back-off of a feed follow it; what the network takes does not.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ConfigError(f"speed: {speed!r} is not above 0")
        self.speed = speed
        # A feed asks at every turn.
        self.now: Callable[[], float] = time.monotonic if speed == 1 else lambda: time.monotonic() * speed
        """Seconds."""

    def real(self, seconds: float) -> float:
        """How long *seconds* of this clock are on the wall."""
        return seconds / self.speed
