"""Numbers of one product on one channel that rise, but not by one: detects repeats and restarts.

Rules:
- A higher number is the next one, whatever its distance. Nothing is known to be missing.
- A message that came before is a repeat, and dropped: its number and time are those of one of the last `KEPT`, or of
  the time before them. A new connection may begin with the newest one again, which is delivered.
- Any other lower number with a newer time than the last message's is a restart. Without one, its message is held (see
  `HeldRun`), and the third of a run in a row is a restart. All three are delivered then.
- The last number with a newer time is the next message. If messages are held, it completes their run.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

from rxfeed.core.findings import Findings, Restarted
from rxfeed.core.held_run import HeldRun
from rxfeed.market import Message

KEPT = 64
_UNBOUNDED = 1 << 64

Numbered = tuple[int, datetime | None]


class RisingSequence:
    """Checks the numbers of *product_id* on *channel*.

    The caller may take a number above `bound` itself: it sets `bound` to it, and appends it to `recent` with its time.
    """

    __slots__ = (
        "_checked",
        "_findings",
        "_held",
        "_last",
        "_low",
        "_renewed",
        "bound",
        "channel",
        "product_id",
        "recent",
    )

    def __init__(self, product_id: str, channel: str, findings: Findings) -> None:
        self.product_id = product_id
        self.channel = channel
        self.bound = _UNBOUNDED
        """Numbers above it follow the last one, without further checks."""
        self.recent: deque[Numbered] = deque(maxlen=KEPT)
        """The last numbers and their times."""
        self._findings = findings
        self._last = -1  # the last number while `bound` is not
        self._renewed = False
        self._checked = 0  # so many numbers after a restart may be repeats of what came before it
        self._low: Numbered | None = None  # the first one since the last restart
        self._held: HeldRun | None = None

    @property
    def last(self) -> int:
        """The last number; -1 for none yet."""
        return self._last if self.bound == _UNBOUNDED else self.bound

    def renewed(self) -> None:
        """The next message may be the last one again."""
        self._last, self.bound, self._renewed = self.last, _UNBOUNDED, True

    def take(self, number: int, time: datetime | None) -> bool:
        """False for a message that is not to be delivered now: a repeat, or to be held, for which call `hold`."""
        if self._held is not None:
            self._held.open = False
        last = self.last
        newest = self.recent[-1][1] if self.recent else None
        if number == last and self._renewed and not _before(time, newest):
            self._renewed = False
            return True
        if self.recent and self._came_before(number, time):
            return False
        newer = _before(newest, time)
        if number > last or (number == last and newer and not self._holds):
            self._add(number, time)
            return True
        return self._doubtful(number, time, newer)

    @property
    def _holds(self) -> bool:
        return self._held is not None and self._held.follows(self.last)

    def hold(self, message: Message) -> bool:
        """Hold *message*; `take` of its number was False. False if it is a repeat."""
        if self._held is None or not self._held.open:
            return False
        self._held.messages.append(message)
        return True

    def _add(self, number: int, time: datetime | None) -> None:
        if self._low is None:
            self._low = (number, time)
        self._renewed = False
        self.recent.append((number, time))
        self._checked = max(0, self._checked - 1)
        self._last, self.bound = number, _UNBOUNDED if self._checked else number

    def _doubtful(self, number: int, time: datetime | None, proven: bool) -> bool:
        if self._held is None:
            self._held = HeldRun()
        if not self._held.add(number, time, self.last, proven):
            return False
        numbers, messages = self._held.take()
        self._findings.report(Restarted(self.product_id, self.channel, self.last, numbers[0][0]))
        self._findings.lost(self.product_id)
        self._low, self._checked = None, KEPT
        for each, at in numbers:
            self._add(each, at)
        if messages:
            self._findings.release(messages)
        return True

    def _came_before(self, number: int, time: datetime | None) -> bool:
        for each, at in self.recent:
            if each == number and (at == time or (number <= self.last and (at is None or time is None))):
                return time is not None or number <= self.last
        low, oldest = self._low, self.recent[0]
        if low is None or low in self.recent or not low[0] <= number <= oldest[0]:
            return False
        return not _before(time, low[1]) and not _before(oldest[1], time)


def _before(one: datetime | None, other: datetime | None) -> bool:
    """True if both times are known, and *one* is earlier."""
    return one is not None and other is not None and one < other
