"""Which numbers of a sequence came before: a repeat has the number and the time of an earlier message.

Rules:
- The times of the last `KEPT` messages are known exactly, over gaps and restarts.
- Of earlier runs the first and the last number and time are known, back to the last restart. A number of such a run
  with a time between is a repeat.
- A message without a time is a repeat if its number came before.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import NamedTuple

KEPT = 256
"""So many messages are known by number and time."""
_RUNS = 64
_FORGOTTEN = -(1 << 62)


class Run(NamedTuple):
    """Consecutive numbers that came; *position* counts the messages before.

    *anew*: it began with a restart. *wrong*: the run before it continued.
    """

    first: int
    last: int
    position: int
    oldest: datetime | None
    newest: datetime | None
    anew: bool
    wrong: bool = False


class NumberHistory:
    """The numbers that came before on one sequence."""

    __slots__ = ("_copies", "_runs", "times")

    def __init__(self) -> None:
        self.times: deque[datetime | None] = deque(maxlen=KEPT)
        """The times of the last messages; the sequence appends to it."""
        self._runs: list[Run] = []
        self._copies: dict[int, datetime | None] = {}

    def close(self, run: Run) -> None:
        """*run* is over."""
        runs = self._runs
        runs.append(run)
        if len(runs) <= _RUNS:
            return
        old, following = runs[:2]
        if following.wrong and not old.wrong:
            del runs[1]
            return
        if not old.wrong and not following.anew:  # a rising sequence with a gap
            runs[1] = following._replace(first=old.first, position=_FORGOTTEN, oldest=old.oldest, anew=old.anew)
        del runs[0]

    def copied(self, number: int, time: datetime | None) -> None:
        """A copy of another channel came ahead of the sequence."""
        if len(self._copies) >= KEPT:
            del self._copies[next(iter(self._copies))]
        self._copies[number] = time

    def has(self, number: int, time: datetime | None, current: Run, *, exactly: bool = False) -> bool:
        """True if *number* with *time* came before; *current*: the run of the newest messages.

        *exactly*: only if the time is known to be equal.
        """
        if exactly and time is None:
            return False
        if number in self._copies and _same(self._copies[number], time):
            return True
        # The first position of which the time is known.
        known = current.position + current.last - current.first + 1 - len(self.times)
        for run in (current, *reversed(self._runs)):
            if run.first <= number <= run.last:
                place = run.position + number - run.first - known
                if place >= 0:
                    if _same(self.times[place], time) and not (exactly and self.times[place] is None):
                        return True
                elif not exactly and self._covers(run, time, known):
                    return True
            exactly = exactly or (run.anew and not run.wrong)
        return False

    def _covers(self, run: Run, time: datetime | None, known: int) -> bool:
        """True if *time* may be of *run*; times are known from the position *known* on."""
        newest = self.times[0] if run.position + run.last - run.first >= known else run.newest
        if time is None or run.oldest is None or newest is None:
            return True
        return run.oldest <= time <= newest


def _same(one: datetime | None, other: datetime | None) -> bool:
    return one is None or other is None or one == other
