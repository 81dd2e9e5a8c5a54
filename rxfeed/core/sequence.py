"""The numbers of one product on one channel, which rise by one: detects gaps, duplicates and restarts.

Rules:
- A *run* is a series of consecutive numbers. The next number continues it.
- A higher number is a gap: the numbers between are missing, and another run begins.
- A message that came before (see `NumberHistory`) is a duplicate, and dropped. Beyond what is known exactly, a number
  and a time within an earlier run are enough. If a restart follows such numbers directly, they were of the restarted
  sequence: the restart is reported from the first of them on, and they are reported as missing.
- Any other lower number with a time that is newer than the last message's is a restart: it is reported, and its
  message is delivered.
- A lower number with a time that is not newer may be late, or a restart with a clock that was set back. Its message is
  held (see `HeldRun`). The third of a run in a row is a restart, and all three are delivered. While the present run has
  fewer than three numbers, a number that continues the held ones is held, too.
- After a restart, a higher number with a time from before the restart may be of the old sequence. It is held, too; the
  third in a row is a gap.
- A run is *unproven* until it has three numbers: its first number may be wrong, and then the run before it continues.
  If the run before is the lower one, its next number is lower, as above. If it is the higher one, a number above both
  runs continues it, and the numbers between are missing. Its very next number continues it at any time.
- The last time of a run shorter than three may be wrong, too. If it is not credible (see `EventClock`), and the time of
  a lower number is, that number counts as newer.
- A heartbeat contains the last number, and may overtake its message. Numbers that have not come by the next heartbeat
  are missing. A message with the last number before the subscription is a *base*. Numbers up to it are missing, unless
  it has the next number: then it is the message that was missed (`continues_with`). Neither of them sets the last
  number: a message that still comes is delivered, and a lower one than the base is a restart.
- Another channel's copy of a message may come ahead of the run; then the run's own message is dropped.
- A message of an unknown type is never dropped and never shows a gap. Its number is not missing. Whether the sequence
  counts it, or it repeats the number of another message, is not known.
- A negative number is not a sequence number: its message is delivered, and changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from rxfeed.core.findings import Findings, Missed, Restarted
from rxfeed.core.held_run import PROVEN, HeldRun
from rxfeed.core.history import NumberHistory, Run
from rxfeed.market import Message

_MOST_AHEAD = 10_000


class Sequence:
    """Checks the numbers of *product_id* on *channel*; O(1) for a number that continues the run."""

    __slots__ = (
        "_ahead",
        "_base",
        "_before",
        "_began",
        "_findings",
        "_first",
        "_held",
        "_history",
        "_last",
        "_named_at",
        "_next",
        "_position",
        "_presumed",
        "_reported",
        "_since",
        "_times",
        "_unknown",
        "channel",
        "fresh",
        "pending",
        "product_id",
    )

    def __init__(self, product_id: str | None, channel: str, findings: Findings) -> None:
        self.product_id = product_id
        self.channel = channel
        self.fresh = False
        """True on a new connection until its first message."""
        self.pending = -1
        """The number in the last heartbeat, if its message had not come."""
        self._named_at: datetime | None = None  # the time of that heartbeat
        self._findings = findings
        self._history = NumberHistory()
        self._times = self._history.times
        self._held: HeldRun | None = None
        self._next = -1  # continues the run; -1: no number does so without further checks
        self._last = -1  # of the run, while `_next` is -1
        self._first = -1  # of the run
        self._began: tuple[datetime | None, bool] = (None, False)  # the run: its first time, and whether by a restart
        self._position = 0  # the count of messages before the run
        self._base: tuple[int, datetime] | None = None
        self._before = -1  # the last number of the run before
        self._reported = -1  # numbers up to it were reported as missing, because of a heartbeat or a base
        self._since: datetime | None = None  # the time of the last restart
        self._presumed: tuple[int, int] | None = None  # consecutive numbers that were dropped, and may not have come
        self._ahead: set[int] = set()  # delivered from another channel before this one had come to them
        self._unknown: set[int] = set()  # the same, of unknown types

    @property
    def last(self) -> int:
        """The last number of the run; -1 for none yet."""
        return self._next - 1 if self._next > 0 else self._last

    @property
    def known(self) -> int:
        """The last number of the run, or that of the base if it is higher."""
        return self.last if self._base is None else max(self.last, self._base[0])

    @property
    def time(self) -> datetime | None:
        """The time of the last message."""
        return self._times[-1] if self._times else None

    def take(self, number: int, time: datetime | None, copy: bool = False) -> bool:
        """False for a message that is not to be delivered now: a duplicate, or to be held, for which call `hold`.

        *copy*: the message may be a copy of another channel, which may come ahead.
        """
        if number == self._next:
            self._next = number + 1
            self._times.append(time)
            if self._ahead and number in self._ahead:
                self._close_held()
                self._ahead.discard(number)
                return False
            return True
        return self._jump(number, time, copy)

    def follow(self, number: int, time: datetime | None) -> bool:
        """Take *number* if it continues the run, as `take` does; else False, and nothing changes."""
        if number != self._next or self._ahead:
            return False
        self._next = number + 1
        self._times.append(time)
        return True

    def hold(self, message: Message) -> bool:
        """Hold *message*; `take` of its number was False. False if it is a duplicate."""
        if self._held is None or not self._held.open:
            return False
        self._held.messages.append(message)
        return True

    def continues_with(self, number: int, time: datetime) -> bool:
        """True if the last number before the subscription is that of the one message that was missed."""
        known, at = (self.last, self.time) if self._base is None else self._base
        return (
            number == known + 1 > 0
            and number > max(self.last, self._reported)
            and number not in self._ahead
            and (at is None or time >= at)
        )

    def prior(self, number: int, time: datetime) -> bool:
        """A message from before the subscription that is delivered, and is not part of the run. False if it came."""
        known = self.known
        if number <= known:
            return False
        self._miss(number - 1)
        self._reported = max(self._reported, number)
        self._stop()
        self._base = (number, time)
        return True

    def base(self, number: int, time: datetime) -> None:
        """A message with the last number before the subscription, which is not part of the run."""
        if number > self.last or (number >= 0 and self._newer(time)):
            if number > self.last:
                self._miss(number)
                self._reported = max(self._reported, number)
            self._stop()
            self._base = (number, time)
        self.fresh = False

    def unknown(self, number: int) -> None:
        """A message of an unknown type has *number*."""
        if number > self.last >= 0:
            if len(self._unknown) >= _MOST_AHEAD:
                self._unknown.clear()
            self._unknown.add(number)

    def named_at(self, number: int) -> datetime | None:
        """The time of the last heartbeat, if it has *number* or a later one; else `None`."""
        return self._named_at if number <= self.pending else None

    def beat(self, number: int, time: datetime | None = None) -> None:
        """A heartbeat of this *time* has *number* as the last one."""
        if self.known < 0 or self.fresh:
            return
        if self.pending > self.last:
            self._miss(self.pending)
            self._reported = max(self._reported, self.pending)
        if number < self._reported and self._base is None:
            self._reported = -1
        self.pending, self._named_at = number, time

    def settled(self, first: int, last: int) -> None:
        """The numbers *first* to *last*, which were missing, came in another way: a message with one is a duplicate."""
        self._ahead.update(range(max(first, self.last + 1), last + 1))

    def reconnected(self) -> None:
        self.fresh, self.pending = True, -1
        self._stop()

    # ---- numbers that do not continue the run

    def _jump(self, number: int, time: datetime | None, copy: bool) -> bool:
        self._close_held()
        last = self.last
        if number < 0:
            return True
        if self._base is not None and not (copy and number > last):
            base, at = self._base
            if number == base and time == at:
                return False
            if last < number < base:
                return self._restart_below(base, number, time)
        continues = self._short and self._held is not None and self._held.ends_with(number - 1, self._place)
        if number == last + 1 and last >= 0:  # the first one after a reconnect, or while a run is held
            if continues:
                return self._doubtful(number, time, False)
            self._follow(number, time)
            return not self._came_ahead(number)
        if number <= last:
            if self._history.has(number, time, self._run):
                self._presume(number, time)
                return False
            return self._doubtful(number, time, self._newer(time))
        if self._history.has(number, time, self._run, exactly=True):
            return False
        if continues or self._of_before(time):
            return self._doubtful(number, time, False)
        if copy:
            return self._run_ahead(number, time)
        if last < self._before and (number == self._before + 1 or (self._unproven and self._before < number)):
            self._restart(number, time)
            return True
        self._follow(number, time)
        return not self._came_ahead(number)

    def _presume(self, number: int, time: datetime | None) -> None:
        """*number* is a duplicate; only if it is known exactly, those directly before it are proven to be so, too."""
        follows = self._presumed is not None and number == self._presumed[1] + 1
        if not self._history.has(number, time, self._run, exactly=True):
            self._presumed = (self._presumed[0] if self._presumed and follows else number, number)
        elif follows:
            self._presumed = None

    @property
    def _run(self) -> Run:
        oldest, anew = self._began
        return Run(self._first, self.last, self._position, oldest, self.time, anew)

    @property
    def _place(self) -> int:
        return self._position + self.last - self._first

    @property
    def _short(self) -> bool:
        return self.last - self._first + 1 < PROVEN

    @property
    def _unproven(self) -> bool:
        return self._before >= 0 and self._short

    def _newer(self, time: datetime | None) -> bool:
        """True if *time* is newer than that of the last message."""
        newest = self.time
        if time is None or newest is None:
            return False
        return time > newest or (self._short and newest > self._findings.limit >= time)

    def _of_before(self, time: datetime | None) -> bool:
        """True if *time* is from before the last restart."""
        since = self._since
        if time is None or since is None:
            return False
        return time < since and not since > self._findings.limit >= time

    def _doubtful(self, number: int, time: datetime | None, proven: bool) -> bool:
        """Hold *number*, unless a run is complete with it: then deliver that."""
        if self._held is None:
            self._held = HeldRun()
        if not self._held.add(number, time, self._place, proven):
            if self._short:
                self._stop()
            return False
        numbers, messages = self._held.take()
        first, began = numbers[0]
        if first <= self.last:
            self._restart(first, began)
        else:
            self._since = None
            self._follow(first, began)
        for number, time in numbers[1:]:
            self._follow(number, time)
        if messages:
            self._findings.release(messages)
        return True

    def _close_held(self) -> None:
        if self._held is not None:
            self._held.open = False

    def _restart(self, number: int, time: datetime | None) -> None:
        """The sequence restarts with *number*, or the run before an unproven one continues with it."""
        before, unproven, left = self._before, self._unproven or number == self._before + 1, self.last
        presumed, self._presumed = self._presumed, None
        began = presumed[0] if presumed is not None and presumed[1] + 1 == number else number
        self._findings.report(Restarted(self.product_id, self.channel, left, began))
        if began < number:
            self._findings.report(Missed(self.product_id, self.channel, began, number - 1))
        if unproven and left < before:  # the gap between rising runs was reported already
            self._report_missing(before, number - 1)
        elif self._base is not None and self._base[0] < number:
            self._report_missing(self._base[0], number - 1)
        self._anew(time)
        returned = unproven and before < number
        if not unproven or before < number:
            before = left
        self._begin(number, time, before, anew=not returned, wrong=returned)

    def _restart_below(self, base: int, number: int, time: datetime | None) -> bool:
        """The base was wrong: *number* is lower, and follows the run."""
        if self._history.has(number, time, self._run):
            return False
        self._findings.report(Restarted(self.product_id, self.channel, base, number))
        since = self._since
        self._anew(since)
        if number == self.last + 1 and self.last >= 0:
            self._continue(number, time)
        else:
            self._begin(number, time)
        return True

    def _anew(self, since: datetime | None) -> None:
        self._findings.lost(self.product_id)
        self._ahead.clear()
        self._unknown.clear()
        self._reported = self.pending = -1
        self._since = since

    def _follow(self, number: int, time: datetime | None) -> None:
        """*number* continues the run, or follows it after a gap."""
        if number == self.last + 1 and self.last >= 0:
            self._continue(number, time)
        else:
            self._miss(number - 1)
            self._begin(number, time)

    def _continue(self, number: int, time: datetime | None) -> None:
        self._base, self.fresh, self._next = None, False, number + 1
        self._times.append(time)

    def _begin(
        self,
        number: int,
        time: datetime | None,
        before: int | None = None,
        *,
        anew: bool = False,
        wrong: bool = False,
    ) -> None:
        """Begin another run with *number*; *before*: the last number of the run before.

        *anew*: the sequence restarted. *wrong*: the present run is over, and the one before it continues.
        """
        if before is None:
            before = self._before if self._unproven else self.last
        last = self.last
        if last >= 0:
            self._history.close(self._run._replace(wrong=wrong))
            self._position += last - self._first + 1
        self._before, self._first, self._began = before, number, (time, anew)
        self._continue(number, time)

    def _stop(self) -> None:
        """No number continues the run without further checks."""
        self._last, self._next = self.last, -1

    def _came_ahead(self, number: int) -> bool:
        seen = number in self._ahead
        self._ahead = {each for each in self._ahead if each > number}
        self._unknown = {each for each in self._unknown if each > number}
        return seen

    def _run_ahead(self, number: int, time: datetime | None) -> bool:
        if number in self._ahead:
            return False
        if len(self._ahead) >= _MOST_AHEAD:
            self._ahead.clear()
        self._ahead.add(number)
        self._history.copied(number, time)
        return True

    def _miss(self, last: int) -> None:
        """Report the numbers after the run, up to *last*, as missing, except those that came ahead or were reported."""
        if self.known >= 0 and (missing := self._missing(self.last, last)):
            self._findings.gap(missing)

    def _report_missing(self, after: int, last: int) -> None:
        for each in self._missing(after, last):
            self._findings.report(each)

    def _missing(self, after: int, last: int) -> list[Missed]:
        first, missing = max(after, self._reported) + 1, list[Missed]()
        came = sorted(each for each in self._ahead | self._unknown if first <= each <= last)
        for number in (*came, last + 1):
            if number > first:
                missing.append(Missed(self.product_id, self.channel, first, number - 1))
            first = number + 1
        return missing
