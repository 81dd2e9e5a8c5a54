"""A limit of a second: of new connections, or of messages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class SecondLimit:
    """At most *most* in any second; `None`: any number. *clock*: seconds that only go up.

    >>> from rxfeed.sim.second_limit import SecondLimit
    >>> limit = SecondLimit(2, lambda: 7.0)
    >>> limit.takes(), limit.takes(), limit.takes()
    (True, True, False)
    """

    def __init__(self, most: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._times: deque[float] = deque()  # of those in the last second

    def takes(self) -> bool:
        """Whether one more is within the limit; it counts then."""
        if self._most is None:
            return True
        now = self._clock()
        while self._times and self._times[0] <= now - 1:
            self._times.popleft()
        if len(self._times) >= self._most:
            return False
        self._times.append(now)
        return True
