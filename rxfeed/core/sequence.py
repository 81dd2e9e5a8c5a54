"""The numbers of one product on one channel, which rise by one: detects gaps, duplicates and restarts.

Rules:
- A *run* is a series of consecutive numbers. The next number continues it.
- A higher number is a gap: the numbers between are missing, and another run begins.
- A lower number with a time that is not newer is a duplicate, or too late: its message is dropped. A lower number with
  a newer time is a restart: it is reported, and its message is delivered. One such number is enough, since times rise
  with numbers, and a copy of an earlier message is never newer.
- After a restart, a higher number with a time from before the restart is of the old sequence: its message is dropped,
  unless it continues the run.
- A run is *unproven* until it has three numbers: its first number may be wrong, and then the run before it continues.
  If the run before is the lower one, its next number is lower and newer, as above. If it is the higher one, a number
  above both runs continues it, and the numbers between are missing.
- The last time of a run shorter than three may be wrong, too. If it is not credible (see `EventClock`), and the time of
  a lower number is, that number counts as newer.
- A heartbeat contains the last number, and may overtake its message. Numbers that have not come by the next heartbeat
  are missing. A heartbeat alone never sets the last number, and a message that still comes is delivered.
- Another channel's copy of a message may come ahead of the run; then the run's own message is dropped.
- A message of an unknown type is never dropped and never shows a gap. Its number is not missing. Whether the sequence
  counts it, or it repeats the number of another message, is not known.
- A negative number is not a sequence number: its message is delivered, and changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

_MOST_AHEAD = 10_000
_PROVEN = 3


class Missed(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* (sequences; trade ids on `matches`) did not come."""

    product_id: str | None
    channel: str
    first: int
    last: int


class Restarted(msgspec.Struct, frozen=True):
    """The numbers of *product_id* on *channel* restarted: after *last* came *first*, with a newer time."""

    product_id: str | None
    channel: str
    last: int
    first: int


class Repaired(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* were missed, and have come afterwards, in order."""

    product_id: str | None
    channel: str
    first: int
    last: int


class Findings(Protocol):
    """Receives the reports of a `Sequence`."""

    limit: datetime
    """Later times are not credible."""

    def report(self, found: Missed | Restarted) -> None: ...

    def lost(self, product_id: str | None) -> None:
        """Messages of the product may have been missed."""


class Sequence:
    """Checks the numbers of *product_id* on *channel*; O(1) for a number that continues the run."""

    __slots__ = (
        "_ahead",
        "_before",
        "_findings",
        "_first",
        "_reported",
        "_since",
        "_unknown",
        "channel",
        "fresh",
        "last",
        "pending",
        "product_id",
        "time",
    )

    def __init__(self, product_id: str | None, channel: str, findings: Findings) -> None:
        self.product_id = product_id
        self.channel = channel
        self.last = -1
        """The last number of the run; -1 for none yet."""
        self.time: datetime | None = None
        """The time of the last message."""
        self.fresh = False
        """True on a new connection until its first message."""
        self.pending = -1
        """The number in the last heartbeat, if its message had not come."""
        self._findings = findings
        self._first = -1  # of the run
        self._before = -1  # the last number of the run before
        self._reported = -1  # numbers up to it were reported as missing, because of a heartbeat
        self._since: datetime | None = None  # the time of the last restart
        self._ahead: set[int] = set()  # delivered from another channel before this one had come to them
        self._unknown: set[int] = set()  # the same, of unknown types

    def take(self, number: int, time: datetime | None, copy: bool = False) -> bool:
        """False for a duplicate. *copy*: the message may be a copy of another channel, which may come ahead."""
        if number == self.last + 1 and self.last >= 0:
            self.last, self.time, self.fresh = number, time, False
            if self._ahead and number in self._ahead:
                self._ahead.discard(number)
                return False
            return True
        return self._jump(number, time, copy)

    def base(self, number: int, time: datetime) -> None:
        """A message with the last number before the subscription, which is not part of the run."""
        if number >= 0:
            if self.last < 0 or number > self.last:
                self._miss(number)
                self._begin(number, time)
            elif self._newer(time):
                self._restart(number, time)
        self.fresh = False

    def unknown(self, number: int) -> None:
        """A message of an unknown type has *number*."""
        if number > self.last >= 0:
            if len(self._unknown) >= _MOST_AHEAD:
                self._unknown.clear()
            self._unknown.add(number)

    def beat(self, number: int) -> None:
        """A heartbeat has *number* as the last one."""
        if self.last < 0 or self.fresh:
            return
        if self.pending > self.last:
            self._miss(self.pending)
            self._reported = max(self._reported, self.pending)
        if number < self._reported:
            self._reported = -1
        self.pending = number

    def reconnected(self) -> None:
        self.fresh, self.pending = True, -1

    # ---- numbers that do not continue the run

    def _jump(self, number: int, time: datetime | None, copy: bool) -> bool:
        if number < 0:
            return True
        if 0 <= number <= self.last:
            return self._newer(time) and self._restart(number, time)
        if self._of_before(time):
            return False
        if copy:
            return self._run_ahead(number)
        if self.last >= 0:
            if self._unproven and self.last < self._before < number:
                return self._restart(number, time)
            self._miss(number - 1)
        return self._begin(number, time)

    @property
    def _short(self) -> bool:
        return self.last - self._first + 1 < _PROVEN

    @property
    def _unproven(self) -> bool:
        return self._before >= 0 and self._short

    def _newer(self, time: datetime | None) -> bool:
        """True if *time* is newer than that of the last message."""
        if time is None or self.time is None:
            return False
        return time > self.time or (self._short and self.time > self._findings.limit >= time)

    def _of_before(self, time: datetime | None) -> bool:
        """True if *time* is from before the last restart."""
        since = self._since
        if time is None or since is None:
            return False
        return time < since and not since > self._findings.limit >= time

    def _restart(self, number: int, time: datetime | None) -> bool:
        """The sequence restarts with *number*, or the run before an unproven one continues with it."""
        before, unproven, left = self._before, self._unproven, self.last
        self._findings.report(Restarted(self.product_id, self.channel, left, number))
        if unproven and left < before:  # the gap between rising runs was reported already
            self.last = before
            self._report_missing(number - 1)
        self._findings.lost(self.product_id)
        self._ahead.clear()
        self._unknown.clear()
        self._reported = self.pending = -1
        self._since = time
        if not unproven or before < number:
            before = left
        return self._begin(number, time, before)

    def _begin(self, number: int, time: datetime | None, before: int | None = None) -> bool:
        """Begin another run with *number*. False if that came ahead."""
        if before is None:
            before = self._before if self._unproven else self.last
        self._before, self._first, self.last, self.time, self.fresh = before, number, number, time, False
        seen = number in self._ahead
        self._ahead = {each for each in self._ahead if each > number}
        self._unknown = {each for each in self._unknown if each > number}
        return not seen

    def _run_ahead(self, number: int) -> bool:
        if number in self._ahead:
            return False
        if len(self._ahead) >= _MOST_AHEAD:
            self._ahead.clear()
        self._ahead.add(number)
        return True

    def _miss(self, last: int) -> None:
        """Report the numbers after the run, up to *last*, as missing, except those that came ahead or were reported."""
        if self.last >= 0 and self._report_missing(last):
            self._findings.lost(self.product_id)

    def _report_missing(self, last: int) -> bool:
        first, found = max(self.last, self._reported) + 1, False
        came = sorted(each for each in self._ahead | self._unknown if first <= each <= last)
        for number in (*came, last + 1):
            if number > first:
                self._findings.report(Missed(self.product_id, self.channel, first, number - 1))
                found = True
            first = number + 1
        return found
