"""Clocks for code that waits."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from rxfeed.feed import Clock
from tests.support.stopwatch import Stopwatch


class JumpingClock(Clock):
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


class StopwatchClock(Clock):
    """A clock that stands still while the machine does not run this process; *stopwatch* has to run."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        super().__init__()
        self.now = lambda: stopwatch.seconds


class ManualClock(Clock):
    """A clock that only `advance` moves, so that no delay of a busy machine is a time-out of the feed."""

    def __init__(self) -> None:
        # A wait for a minute of this clock looks at the clock again after some milliseconds.
        super().__init__(speed=10_000)
        self.seconds = 1e6  # not 0, so that no span of time is taken for a time
        self.now = lambda: self.seconds

    def advance(self, seconds: float) -> None:
        """From one thread at a time."""
        self.seconds += seconds


def count_readings(monkeypatch: pytest.MonkeyPatch, module: str, seconds: float) -> None:
    """Replace the time of *module*: each reading of its monotonic clock is *seconds* after the reading before."""
    readings = count()
    monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: next(readings) * seconds))
