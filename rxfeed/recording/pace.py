"""When a line's turn comes: behind what is due before it, and, on a clock, as long after the first as it was."""

from __future__ import annotations

import threading

from rxfeed.feed.clock import Clock
from rxfeed.recording.scheduler import ReplayScheduler

# No system waits endlessly in one go.
_LONGEST_WAIT = 3600.0


class Timeline:
    """Moves *scheduler* to the times that it is told of, *speed* times as fast as they were (`None`: at once).

    It never goes back: a time before the newest one is now. `stop()`, from any thread, ends whatever waits.
    """

    def __init__(self, scheduler: ReplayScheduler, speed: float | None, clock: Clock) -> None:
        self.scheduler = scheduler
        self.paced = speed is not None
        self._speed = speed or 1.0
        self._clock = clock
        self._stopped = threading.Event()
        self._begin: tuple[float, int] | None = None

    def stop(self) -> None:
        self._stopped.set()

    def reach(self, ns: int) -> None:
        """Run what is due until *ns*, each at its time, and come to *ns*."""
        scheduler = self.scheduler
        if not self.paced and scheduler.begun and ns < scheduler.next_ns:  # nothing waits for it
            if ns > scheduler.ns:
                scheduler.ns = ns
            return
        if self._begin is None:
            self._begin = self._clock.now(), ns
            if not scheduler.begun:
                scheduler.begin(ns)
        while scheduler.next_ns <= ns and not self._stopped.is_set():
            if self._wait(scheduler.next_ns):
                scheduler.advance(ns)
        if self._wait(ns) and ns > scheduler.ns:
            scheduler.ns = ns

    def run_out(self, seconds: float) -> None:
        """Run what is due after the end, as long as there is something, for at most *seconds*."""
        scheduler = self.scheduler
        last = scheduler.ns + round(seconds * 1e9)
        while scheduler.next_ns <= last and not self._stopped.is_set():
            self.reach(scheduler.next_ns)

    def _wait(self, ns: int) -> bool:
        """Until it is time for *ns*; False where it was stopped before."""
        if self.paced and self._begin is not None:
            began, first = self._begin
            at = began + (ns - first) / 1e9 / self._speed
            while (left := at - self._clock.now()) > 0:
                if self._stopped.wait(min(self._clock.real(left), _LONGEST_WAIT)):
                    return False
        return not self._stopped.is_set()
