"""The numbers of one product on one channel, which rise by one: what is missing, what came before, what began anew.

Rules:
- A *line* is a row of numbers that follow one another. The next number continues it.
- A higher number is a gap: what lies between is missing, and another line begins.
- A lower number came before, or is too late, if its time is not newer than that of the last message: it is dropped. If
  its time is newer, the sequence began anew with it: that is reported, and the message is delivered. One such number is
  enough, since the times of a sequence rise with its numbers: a copy of what came before is never newer.
- After that a higher number with a time from before it is of the old sequence: it is dropped, unless it continues the
  line.
- A line is *doubted* until three numbers have followed so: the number that began it may have been wrong, and the line
  before it goes on. If the line before is the lower one, its next number is lower and newer, as above. If it is the
  higher one, a number beyond both lines continues it: what lies between it and that number is missing.
- The last time of a line shorter than three may be wrong, too. Where it is not credible (`EventClock` has the rule) and
  that of a lower number is, that number is newer.
- A heartbeat names the last number, and may overtake it. What has not come by the next heartbeat is missing; but no
  heartbeat alone sets the last number, and what it named in vain is delivered if it still comes.
- Another channel's copy of a message may run ahead of the line; the line's own is dropped then.
- A message of an unknown type is never dropped and never shows a gap. Its number is not missing; whether the sequence
  counts it, or it repeats another message's number, cannot be known.
- A negative number is none: its message is delivered, and changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

_MOST_AHEAD = 10_000
_PROVEN = 3


class Missed(msgspec.Struct, frozen=True):
    """Numbers *first* to *last* of *product_id* on *channel* (sequences; trade ids on `matches`) never came."""

    product_id: str | None
    channel: str
    first: int
    last: int


class Restarted(msgspec.Struct, frozen=True):
    """The numbers of *product_id* on *channel* began anew: after *last* came *first*, which is newer."""

    product_id: str | None
    channel: str
    last: int
    first: int


class Findings(Protocol):
    """Where a `Sequence` reports."""

    limit: datetime
    """Later times are not credible."""

    def report(self, found: Missed | Restarted) -> None: ...

    def lost(self, product_id: str | None) -> None:
        """Something of the product may have been missed."""


class Sequence:
    """Takes the numbers of *product_id* on *channel*; O(1) for one that continues the line."""

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
        """The last number of the line; -1 for none yet."""
        self.time: datetime | None = None
        """The time of the last message."""
        self.fresh = False
        """A new connection, and nothing of it yet."""
        self.pending = -1
        """What the last heartbeat named and had not come."""
        self._findings = findings
        self._first = -1  # of the line
        self._before = -1  # the last number of the line before
        self._reported = -1  # numbers up to it were reported as missing, because of a heartbeat
        self._since: datetime | None = None  # when the sequence began anew
        self._ahead: set[int] = set()  # delivered from another channel before this one had come to them
        self._unknown: set[int] = set()  # the same, of unknown types

    def take(self, number: int, time: datetime | None, copy: bool = False) -> bool:
        """False where *number* came before. *copy*: it may be another channel's, and run ahead."""
        if number == self.last + 1 and self.last >= 0:
            self.last, self.time, self.fresh = number, time, False
            if self._ahead and number in self._ahead:
                self._ahead.discard(number)
                return False
            return True
        return self._jump(number, time, copy)

    def base(self, number: int, time: datetime) -> None:
        """A message with the last number before the subscription, which is not one of the line."""
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
        """A heartbeat names *number* as the last one."""
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

    # ---- what does not continue the line

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
            if self._doubted and self.last < self._before < number:
                return self._restart(number, time)
            self._miss(number - 1)
        return self._begin(number, time)

    @property
    def _short(self) -> bool:
        return self.last - self._first + 1 < _PROVEN

    @property
    def _doubted(self) -> bool:
        return self._before >= 0 and self._short

    def _newer(self, time: datetime | None) -> bool:
        """Whether *time* is newer than that of the last message."""
        if time is None or self.time is None:
            return False
        return time > self.time or (self._short and self.time > self._findings.limit >= time)

    def _of_before(self, time: datetime | None) -> bool:
        """Whether *time* is from before the sequence began anew."""
        since = self._since
        if time is None or since is None:
            return False
        return time < since and not since > self._findings.limit >= time

    def _restart(self, number: int, time: datetime | None) -> bool:
        """The sequence began anew with *number*, or the line before a doubted one goes on with it."""
        before, doubted, left = self._before, self._doubted, self.last
        self._findings.report(Restarted(self.product_id, self.channel, left, number))
        if doubted and left < before:  # what lies between two lines that rise was reported when the higher one began
            self.last = before
            self._report_missing(number - 1)
        self._findings.lost(self.product_id)
        self._ahead.clear()
        self._unknown.clear()
        self._reported = self.pending = -1
        self._since = time
        if not doubted or before < number:
            before = left
        return self._begin(number, time, before)

    def _begin(self, number: int, time: datetime | None, before: int | None = None) -> bool:
        """Another line begins with *number*; False where that came ahead."""
        if before is None:
            before = self._before if self._doubted else self.last
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
        """What comes after the line, up to *last*, is missing, but for what came ahead or was reported."""
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
