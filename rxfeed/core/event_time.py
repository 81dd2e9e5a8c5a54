"""The clock of event time. It accepts the times of messages that are credible, given their receipt.

Rules:
- Event time is the latest time of a product's messages. A time more than *max_ahead* seconds after the message's
  receipt is not credible: it moves no event time, closes no window and makes no product idle.
- The receipt is `received_ns`, which recordings contain. So live and replay give equal results.
- A message without a receipt (made in a test, or the output of another operator) is not limited.
- If results belong to spans of time, a trade with a time that is not credible is `Late`. If not, the trade counts, and
  its time is limited to the latest credible one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rxfeed.core.arguments import Seconds, in_seconds, not_negative_microseconds
from rxfeed.market import FIRST, LAST, moment

MAX_AHEAD = 60.0
"""Seconds that a message may be dated after its receipt: more than latencies and synchronised clocks need."""


class EventClock:
    """Decides which times are credible, for the messages of one machine. O(1), one comparison for nearly every message.

    *max_ahead*: seconds that a message may be dated after its receipt; `None` for any.

    >>> from rxfeed.core import EventClock
    >>> from rxfeed.testing import trade
    >>> dated = trade(time=0)
    >>> EventClock(60).is_ahead(dated, dated.time)  # the trade has no receipt
    False
    """

    __slots__ = ("_microseconds", "limit", "max_ahead", "report")

    def __init__(self, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.max_ahead = None if max_ahead is None else in_seconds(max_ahead)
        self._microseconds = None if max_ahead is None else not_negative_microseconds("max_ahead", max_ahead)
        self.limit = FIRST if max_ahead is not None else LAST
        """Times up to it are credible; for later ones ask `is_ahead`."""
        self.report: Callable[[EventClock, object], None] | None = None
        """Called once, with the first item that is ahead."""

    def is_ahead(self, item: object, time: datetime) -> bool:
        """True if *time*, of *item*, is too far after the item's receipt."""
        if time <= self.limit or self._microseconds is None:
            return False
        received_ns: int = getattr(item, "received_ns", 0)
        if not received_ns:
            return False
        self.limit = moment(received_ns // 1000 + self._microseconds)
        if time <= self.limit:
            return False
        report, self.report = self.report, None
        if report is not None:
            report(self, item)
        return True

    def limited(self, item: object, time: datetime) -> datetime:
        """*time*, or the latest credible time if it is ahead."""
        return self.limit if self.is_ahead(item, time) else time

    def bound(self, time: datetime) -> datetime:
        """Up to where times are credible like *time*, which is."""
        return self.limit if time <= self.limit else LAST
