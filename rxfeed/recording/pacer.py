"""Paces a replay: a line waits for the actions that are due before it, and with a speed for its time."""

from __future__ import annotations

import logging
import threading

from rxfeed.feed import Clock
from rxfeed.recording.scheduler import LATEST, ReplayScheduler
from rxfeed.recording.timestamps import moment_of

log = logging.getLogger("rxfeed.recording")

# Seconds after which it is checked whether another thread has scheduled an earlier action.
_LONGEST_WAIT = 0.5
# Nanoseconds of the recording: a longer pause is a wrong date, or a time when nothing was recorded.
_LONGEST_PAUSE = 86_400 * 10**9


class Pacer:
    """Advances *scheduler* to the times of lines, at *speed* times the recorded pace (`None`: without waits).

    Virtual time never goes back: a time before the newest one is due at once. A pause of more than a day is not waited
    for, in either direction, and the first one is logged. `stop()`, from any thread, ends a wait.
    """

    def __init__(self, scheduler: ReplayScheduler, speed: float | None, clock: Clock) -> None:
        self.scheduler = scheduler
        self.paced = speed is not None
        self._speed = speed or 1.0
        self._clock = clock
        self._stopped = threading.Event()
        self._begin: tuple[float, int] | None = None
        self._reached = 0  # the time of the last line
        self._logged = False

    def stop(self) -> None:
        self._stopped.set()

    def reach(self, ns: int) -> None:
        """Run the actions that are due until *ns*, each at its time, and advance virtual time to *ns*, or to LATEST."""
        scheduler = self.scheduler
        if not self.paced and scheduler.begun and ns < scheduler.next_ns:  # no action is due
            if ns > scheduler.ns:
                scheduler.ns = ns
            return
        ns = min(ns, LATEST)
        if self._begin is None:
            self._begin = self._clock.now(), ns
            if not scheduler.begun:
                scheduler.begin(ns)
        elif self.paced and abs(ns - self._reached) > _LONGEST_PAUSE:
            self._skip(ns)
        self._reached = ns
        while not self._stopped.is_set():
            left = self._left(min(scheduler.next_ns, ns))
            if left > 0:
                self._stopped.wait(min(self._clock.real(left), _LONGEST_WAIT))
            elif scheduler.next_ns <= ns:
                scheduler.advance(ns)
            else:
                scheduler.ns = max(scheduler.ns, ns)
                return

    def _skip(self, ns: int) -> None:
        """The line at *ns* is due now, and the next ones at their distance from it."""
        self._begin = self._clock.now(), ns
        if not self._logged:
            self._logged = True
            log.warning(
                "the recording's time goes from %s to %s: the replay does not wait for more than a day, and continues "
                "at once; later jumps are not logged",
                moment_of(self._reached),
                moment_of(ns),
            )

    def run_out(self, seconds: float) -> None:
        """Run the actions that are due after the end, up to *seconds* later."""
        scheduler = self.scheduler
        last = min(scheduler.ns + round(seconds * 1e9), LATEST)
        while scheduler.next_ns <= last and not self._stopped.is_set():
            self.reach(scheduler.next_ns)

    def _left(self, ns: int) -> float:
        """Seconds on the clock until *ns* is due."""
        if not self.paced or self._begin is None:
            return 0.0
        began, first = self._begin
        return began + (ns - first) / 1e9 / self._speed - self._clock.now()
