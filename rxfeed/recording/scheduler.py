"""The virtual time of a replay, which the times of the recording's lines advance."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from reactivex import abc, typing
from reactivex.disposable import Disposable, SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxfeed.recording.timestamps import FIRST_NS, LAST_NS, moment_of, ns_of

log = logging.getLogger("rxfeed.recording")
S = TypeVar("S")
_MICROSECOND = timedelta(microseconds=1)

_YEAR = 366 * 86_400 * 10**9
EARLIEST, LATEST = FIRST_NS + _YEAR, LAST_NS - _YEAR
"""The limits of virtual time: a year from the calendar's ends, so that operators can add to it."""
NEVER = LATEST + 1
# Before the first line time is zero. An action that is due so soon after zero was scheduled by its delay.
_SOON = 365 * 86_400 * 10**9
_FEW = 64


class _ScheduledAction(Generic[S]):
    """A scheduled action."""

    __slots__ = ("action", "inner", "state")

    def __init__(self, action: abc.ScheduledAction[S], state: S | None) -> None:
        self.action: abc.ScheduledAction[S] | None = action
        self.state = state
        self.inner = SingleAssignmentDisposable()


class ReplayScheduler(PeriodicScheduler):
    """A virtual scheduler. The replay advances it to each line's time; actions that are due run before the line.

    Any thread may schedule. All actions run on the thread that calls `advance`, in the order of their times, and at
    equal times in the order of scheduling. A delay that is scheduled before the recording's first line counts from that
    line. An action that raises is logged, and *failed* is called; the other actions run.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        super().__init__()
        self.begun = False
        self.ns = 0
        """The virtual time, in Unix nanoseconds."""
        self.next_ns = NEVER
        """The time at which the next action is due."""
        self._failed = failed
        self._lock = threading.RLock()
        self._heap: list[tuple[int, int, _ScheduledAction[Any]]] = []
        self._scheduled = self._cancelled = 0

    # ---- for operators

    @property
    def now(self) -> datetime:
        return moment_of(self.ns)

    def schedule(self, action: abc.ScheduledAction[S], state: S | None = None) -> abc.DisposableBase:
        return self._put(self.ns, action, state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        due = self.ns // 1000 * 1000 + self.to_timedelta(duetime) // _MICROSECOND * 1000
        return self._put(due, action, state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        return self._put(ns_of(self.to_datetime(duetime)), action, state)

    def _put(self, ns: int, action: abc.ScheduledAction[S], state: S | None) -> abc.DisposableBase:
        item = _ScheduledAction(action, state)
        with self._lock:
            self._scheduled += 1
            heapq.heappush(self._heap, (ns, self._scheduled, item))
            self._set_next()
        return Disposable(lambda: self._cancel(item))

    def _cancel(self, item: _ScheduledAction[S]) -> None:
        with self._lock:
            waiting, item.action = item.action is not None, None
            if waiting:
                self._cancelled += 1
                # A time-out is scheduled and cancelled at every message: cancelled items must not accumulate.
                if self._cancelled > _FEW + len(self._heap) // 2:
                    self._heap = [entry for entry in self._heap if entry[2].action is not None]
                    self._cancelled = 0
                    self._sorted()
        item.inner.dispose()

    def _sorted(self) -> None:
        heapq.heapify(self._heap)
        self._set_next()

    def _set_next(self) -> None:
        # Actions that are due after LATEST never run.
        self.next_ns = min(self._heap[0][0], NEVER) if self._heap else NEVER

    # ---- for the replay

    def begin(self, ns: int) -> None:
        """Begin at *ns*, limited to the range of virtual time."""
        ns = min(max(ns, EARLIEST), LATEST)
        with self._lock:
            self.begun, self.ns = True, ns
            self._heap = [(due + ns if due < _SOON else due, number, item) for due, number, item in self._heap]
            self._sorted()

    def advance(self, ns: int) -> None:
        """Run the first action that is due until *ns*, if any (see `next_ns`). Virtual time is its time then."""
        with self._lock:
            if self.next_ns > min(ns, LATEST):
                return
            due, _, item = heapq.heappop(self._heap)
            self._set_next()
            action, item.action = item.action, None
            if action is None:
                self._cancelled -= 1
                return
            self.ns = max(self.ns, due)
        try:
            item.inner.disposable = self.invoke_action(action, item.state)
        except Exception as error:
            self._failed()
            log.error("a subscriber raised, on the replay's time: %r", error, exc_info=error)
