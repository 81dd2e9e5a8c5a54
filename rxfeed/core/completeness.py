"""Tracks since when no trade of a product was missed, which decides whether a result is `complete`."""

from __future__ import annotations

from datetime import datetime, timedelta

from rxfeed.core.result import Result
from rxfeed.market import FIRST, Heartbeat, PriorTrade, Trade


class Late(Result, frozen=True, gc=False):
    """A *trade* that came after its window `[start, end)` was output. No result contains it.

    For rolling results, which have no grid of windows, `(start, end]` is the span up to the trade. A trade dated too
    far after its receipt is late, too: see `EventClock`.
    """

    product_id: str
    start: datetime
    end: datetime
    trade: Trade | PriorTrade


class CompletenessTracker:
    """The state of one product: no trade after *since* was missed, and *known* is the highest trade id that has come.

    Rules:
    - If a message has a higher epoch, trades may be missing up to its time, or up to *now* if that is later, unless the
      trade ids prove that none is: a trade has the next id (where the venue's ids are consecutive), or a heartbeat or
      a `last_match` has *known* as the last one. A heartbeat with a lower epoch shows nothing: trades alone may have
      been missed (see `epochs.py`).
    - A `last_match` proves that no trade came between it and the subscription. Of several trades from before the
      subscription, the last one does.
    - A requested trade from before the subscription counts as a trade (`Message.backfilled`), unless it came before.
    - A heartbeat may overtake the trade with the id that it contains. Then event time stops until that trade or the
      next heartbeat comes. If the trade has not come by the next heartbeat, it was missed.
    - The wait for such an id happens only once, until a heartbeat has a lower id: then the id was wrong, or the ids
      restarted. A heartbeat alone never sets *known*, except as the first message.
    - If the first message is a heartbeat, it has the id of the last trade, and the id of the first trade shows whether
      a trade between the two was missed.
    """

    __slots__ = ("_expecting", "_named", "_named_at", "_waived", "epoch", "known", "now", "since")

    def __init__(self, first: Trade | PriorTrade | Heartbeat) -> None:
        self.epoch, self.since = first.epoch, first.time
        self.now = first.time
        self._expecting = isinstance(first, Heartbeat)  # the id of the first trade will show whether a trade was missed
        self.known: int = first.last_trade_id if isinstance(first, Heartbeat) else first.trade_id
        self._named: int = -1
        self._named_at = first.time
        self._waived: int = -1  # the id of a heartbeat for which the wait is over

    def missed_trades(self) -> None:
        """Called when trades were missed. For a subclass with results that are open."""

    def trade(self, match: Trade | PriorTrade) -> None:
        """Add a trade, or one from before the subscription that counts as one."""
        number, missed = match.trade_id, False
        if match.epoch != self.epoch:
            missed = not (match.ids_are_consecutive and number == self.known + 1)
            self.epoch, self.known = match.epoch, number
        elif self._expecting:
            self.known, missed = number, number > self.known + 1
        self._expecting = False
        self.known = max(self.known, number)
        if missed:
            self._missed(match.time)
        self.now = max(self.now, match.time)

    def last_match(self, last: PriorTrade) -> None:
        if last.epoch != self.epoch:
            if last.backfilled and last.trade_id < self.known:  # one of several that came before
                return
            missed = last.trade_id != self.known
            self.epoch, self.known = last.epoch, last.trade_id
            self._expecting = False
            if missed:
                self._missed(last.time)
        elif self._expecting:
            self._expecting = False
            self.known = last.trade_id
            self.since = min(self.since, last.time)
        elif last.ids_are_consecutive and last.trade_id > self.known:  # one of several before the subscription
            self.known = last.trade_id
            self._missed(last.time)

    def heartbeat(self, heartbeat: Heartbeat) -> datetime:
        """The event time: no earlier trade is expected."""
        missed = heartbeat.epoch > self.epoch and heartbeat.last_trade_id != self.known
        self.epoch = max(self.epoch, heartbeat.epoch)
        if self._named > self.known and self._named != self._waived:
            self._waived, missed = self._named, True
        if missed:
            self._missed(heartbeat.time)
        passed = self._named_at
        self._named, self._named_at = heartbeat.last_trade_id, heartbeat.time
        if self._named < self._waived:
            self._waived = -1
        if self._named <= max(self.known, self._waived):
            passed = heartbeat.time
        self.now = max(self.now, passed)
        return passed

    def undated(self, match: Trade | PriorTrade) -> None:
        """Add a trade with a time that is not credible. Results that began before its receipt lack it."""
        if match.epoch != self.epoch:
            self.epoch, self.known = match.epoch, match.trade_id
        self._expecting = False
        self.known = max(self.known, match.trade_id)
        self._missed(match.received)

    def _missed(self, time: datetime) -> None:
        self.since = max(self.now, time)
        self.missed_trades()


def earlier(time: datetime, span: timedelta) -> datetime:
    """*time* less *span*, limited to the calendar's first time."""
    try:
        return time - span
    except OverflowError:
        return FIRST
