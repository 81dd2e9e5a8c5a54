"""The times and the completeness of results that take trades in the order of arrival."""

from __future__ import annotations

from datetime import datetime

from rxfeed.core.event_time import EventClock
from rxfeed.market import Trade


class ArrivalSpan:
    """The trades from the time *start* of the earliest to the time *end* of the latest; times are limited by *clock*.

    *whole* is False if messages were missed since `begin`, or directly before it.
    """

    __slots__ = ("clock", "end", "epoch", "start", "whole")

    start: datetime
    end: datetime

    def __init__(self, epoch: int, clock: EventClock) -> None:
        self.epoch, self.clock = epoch, clock
        self.whole = True

    def see(self, trade: Trade) -> None:
        """Compare the epoch of *trade* with that of the trade before it."""
        if trade.epoch != self.epoch:
            self.epoch, self.whole = trade.epoch, False

    def cover(self, trade: Trade, first: bool) -> None:
        """Extend the span to the time of *trade*; with *first*, begin it there."""
        time = self.clock.limited(trade, trade.time)
        if first:
            self.start = self.end = time
        elif time > self.end:
            self.end = time
        elif time < self.start:
            self.start = time
