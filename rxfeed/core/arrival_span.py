"""The times and the completeness of results that take trades in the order of arrival."""

from __future__ import annotations

from datetime import datetime

from rxfeed.core.event_time import EventClock
from rxfeed.market import Message, PriorTrade, Trade


class ArrivalSpan:
    """The trades from the time *start* of the earliest to the time *end* of the latest; times are limited by *clock*.

    *whole* is False if trades were missed since `begin`, or directly before it: the epoch has risen, and the trade ids
    do not prove that none was.
    """

    __slots__ = ("clock", "end", "epoch", "known", "start", "whole")

    epoch: int
    known: int
    start: datetime
    end: datetime

    def __init__(self, first: Trade | PriorTrade, clock: EventClock) -> None:
        self.epoch, self.known, self.clock = first.epoch, first.trade_id, clock
        self.whole = True

    def see(self, trade: Trade | PriorTrade) -> None:
        """Compare *trade* with the trade before it."""
        number, epoch = trade.trade_id, trade.epoch
        if epoch != self.epoch:
            proven = trade.ids_are_consecutive and number == self.known + 1
            self.whole = self.whole and proven
            self.epoch, self.known = epoch, number
        elif number > self.known:
            self.known = number

    def cover(self, trade: Trade | PriorTrade, first: bool) -> None:
        """Extend the span to the time of *trade*; with *first*, begin it there."""
        time = self.clock.limited(trade, trade.time)
        if first:
            self.start = self.end = time
        elif time > self.end:
            self.end = time
        elif time < self.start:
            self.start = time


def counted(message: Message) -> Trade | PriorTrade | None:
    """*message* if it is a trade that counts: a new one, or one from before the subscription that was requested."""
    if isinstance(message, Trade):
        return message
    return message if isinstance(message, PriorTrade) and message.backfilled else None
