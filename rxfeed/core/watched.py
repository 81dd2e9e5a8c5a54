"""Since when nothing of a product was missed: what windows, rolling sums and bars know before they say `complete`."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import msgspec

from rxfeed.errors import ConfigError
from rxfeed.market import Heartbeat, PriorTrade, Trade

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
_FIRST = (FIRST - EPOCH) // MICROSECOND
_LAST = (LAST - EPOCH) // MICROSECOND


class Late(msgspec.Struct, frozen=True, gc=False):
    """A *trade* that came when `[start, end)`, where it belongs, had been output: it is in no result.

    For rolling results, which have no such grid, `(start, end]` are the seconds up to the trade. A trade dated too far
    after its receipt is one, too: see `EventClock`.
    """

    product_id: str
    start: datetime
    end: datetime
    trade: Trade


class Watched:
    """One product: everything after *since* was seen, and *known* is the highest trade id that has come.

    Rules:
    - A message of another epoch: something was missed up to its time, or up to *now* where that is later.
    - `last_match` is the exchange's word that no trade came between it and the subscription.
    - A heartbeat may overtake the trade that it names: time waits then, for that trade or for the next heartbeat; by
      then what has not come was missed.
    - What a heartbeat named in vain is waited for once, until one names less: that number was wrong, or the ids began
      anew. A heartbeat alone never sets *known*, but where it comes first.
    - A heartbeat that comes first tells the last trade's id, and the first trade's tells whether it was the next.
    """

    __slots__ = ("_expecting", "_named", "_named_at", "_waived", "epoch", "known", "now", "since")

    def __init__(self, first: Trade | PriorTrade | Heartbeat) -> None:
        self.epoch, self.since = first.epoch, first.time
        self.now = first.time
        self._expecting = isinstance(first, Heartbeat)  # the first trade is still to say whether it is the next
        self.known = first.last_trade_id if isinstance(first, Heartbeat) else first.trade_id
        self._named, self._named_at = -1, first.time
        self._waived = -1  # what a heartbeat named, and is not waited for any more

    def trade(self, match: Trade) -> bool:
        """Take a trade in; True where something was missed before it."""
        number, missed = match.trade_id, False
        if match.epoch != self.epoch:
            self.epoch, self.known, missed = match.epoch, number, True
        elif self._expecting:
            self.known, missed = number, number > self.known + 1
        self._expecting = False
        self.known = max(self.known, number)
        if missed:
            self._missed(match.time)
        self.now = max(self.now, match.time)
        return missed

    def last_match(self, last: PriorTrade) -> bool:
        if last.epoch != self.epoch:
            self.epoch, self.known = last.epoch, last.trade_id
            self._expecting = False
            self._missed(last.time)
            return True
        if self._expecting:
            self._expecting = False
            self.known = last.trade_id
            self.since = min(self.since, last.time)
        return False

    def heartbeat(self, heartbeat: Heartbeat) -> tuple[bool, datetime]:
        """Whether something was missed, and the time up to which no trade is to come any more."""
        missed = heartbeat.epoch != self.epoch
        self.epoch = heartbeat.epoch
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
        return missed, passed

    def undated(self, match: Trade) -> None:
        """A trade whose time is not credible: what has begun by its receipt lacks it."""
        if match.epoch != self.epoch:
            self.epoch, self.known = match.epoch, match.trade_id
        self._expecting = False
        self.known = max(self.known, match.trade_id)
        self._missed(match.received)

    def _missed(self, time: datetime) -> None:
        self.since = max(self.now, time)


def positive_microseconds(name: str, seconds: float) -> int:
    """*seconds* in microseconds; `ConfigError` names it where that is no positive number."""
    microseconds = _microseconds(name, seconds)
    if microseconds < 1:
        raise ConfigError(f"{name}: {seconds!r} is not a positive number of seconds")
    return microseconds


def not_negative_microseconds(name: str, seconds: float) -> int:
    """As `positive_microseconds`, but 0 is a number of seconds too."""
    microseconds = _microseconds(name, seconds)
    if microseconds < 0:
        raise ConfigError(f"{name}: {seconds!r} is a negative number of seconds")
    return microseconds


def _microseconds(name: str, seconds: float) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ConfigError(f"{name}: {seconds!r} is not a number of seconds")
    if abs(seconds) > 1e11:
        raise ConfigError(f"{name}: {seconds!r} is more seconds than a calendar has")
    return round(seconds * 1_000_000)


def moment(microseconds: int) -> datetime:
    """The time so many microseconds after 1970, or the calendar's first or last where it has no such time."""
    return EPOCH + timedelta(microseconds=min(max(microseconds, _FIRST), _LAST))


def earlier(time: datetime, span: timedelta) -> datetime:
    """*time* less *span*, but never before the calendar."""
    try:
        return time - span
    except OverflowError:
        return moment(_FIRST)


def positive_span(name: str, seconds: float) -> timedelta:
    """As `positive_microseconds`, for `earlier`."""
    return timedelta(microseconds=positive_microseconds(name, seconds))
