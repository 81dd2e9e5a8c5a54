"""The state of the plain pipelines for a product, and the complete processing of a message.

The plain loops call `take` for rare messages, the stock operators' `scan` calls it for every message. The caller sets
`EXACT` as the thread's decimal context.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, TypeVar

from rxfeed import Candle, PriceCross, VolumeWindow
from rxfeed.core import Late, RollingVolume
from rxfeed.market import Message
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat, ExchangeTicker, LastMatch, Match

EXACT = Context(prec=100, traps=[InvalidOperation, Overflow, Inexact])
PRICED = frozenset((Match, LastMatch, ExchangeTicker))
_ROUNDED = Context(prec=28)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (time.replace(tzinfo=UTC) for time in (datetime.min, datetime.max))
_MOST_AHEAD = timedelta(seconds=60)
_ZERO = Decimal(0)

W = TypeVar("W", bound="Watch")


class Ahead:
    """The check of event times: a time is credible up to *limit*, which is a minute after a receipt."""

    def __init__(self) -> None:
        self.limit = _FIRST

    def has(self, message: Message) -> bool:
        """True for a message that is dated more than a minute after its receipt."""
        if message.time is None or message.time <= self.limit or not message.received_ns:
            return False
        self.limit = message.received + _MOST_AHEAD
        return message.time > self.limit

    def limited(self, message: Message) -> datetime | None:
        return self.limit if self.has(message) else message.time

    def until(self, time: datetime) -> datetime:
        """The time up to which times are credible without a check of the receipt; *time* is credible."""
        return self.limit if time <= self.limit else _LAST


class Watch:
    """The time since which no message of a product was missed."""

    def __init__(self, first: Match | LastMatch | ExchangeHeartbeat, width: timedelta, ahead: Ahead) -> None:
        self.product_id, self.width, self.epoch, self.ahead = first.product_id, width, first.epoch, ahead
        self.since = self.now = self.named_at = first.time
        self.expecting = type(first) is ExchangeHeartbeat  # the first trade's number shows whether one was missed
        self.known = first.last_trade_id if isinstance(first, ExchangeHeartbeat) else first.trade_id
        self.named = self.waived = -1

    @staticmethod
    def late(match: Match, width: timedelta) -> Late:
        """*match* as a late trade: its window has ended."""
        start = match.time - (match.time - _EPOCH) % width
        return Late(match.product_id, start, start + width, match)

    def undated(self, match: Match) -> None:
        """Mark windows that started before the receipt of *match* as incomplete, since its time is not credible."""
        if match.epoch != self.epoch:
            self.epoch, self.known = match.epoch, match.trade_id
        self.expecting, self.known = False, max(self.known, match.trade_id)
        self.missed(match.received)

    def take(self, message: Any) -> tuple[Any, ...]:
        """The outputs for a credible message."""
        raise NotImplementedError

    def finish(self) -> tuple[Any, ...]:
        return ()

    def missed(self, time: datetime) -> None:
        self.since = max(self.now, time)

    def trade(self, match: Match) -> None:
        if match.epoch != self.epoch:
            before, self.epoch, self.known = self.known, match.epoch, match.trade_id
            if match.trade_id != before + 1:
                self.missed(match.time)
        elif self.expecting:
            before, self.known = self.known, match.trade_id
            if match.trade_id > before + 1:
                self.missed(match.time)
        self.expecting = False
        self.known = max(self.known, match.trade_id)
        self.now = max(self.now, match.time)

    def last_match(self, last: LastMatch) -> None:
        if last.epoch != self.epoch:
            before = self.known
            self.epoch, self.known, self.expecting = last.epoch, last.trade_id, False
            if last.trade_id != before:
                self.missed(last.time)
        elif self.expecting:
            self.expecting, self.known = False, last.trade_id
            self.since = min(self.since, last.time)
        elif last.trade_id > self.known:
            self.known = last.trade_id
            self.missed(last.time)

    def heartbeat(self, heartbeat: ExchangeHeartbeat) -> datetime:
        """The time before which no more trades are expected."""
        in_vain = self.named > self.known and self.named != self.waived
        if in_vain:
            self.waived = self.named
        if in_vain or (heartbeat.epoch > self.epoch and heartbeat.last_trade_id != self.known):
            self.missed(heartbeat.time)
        self.epoch = max(self.epoch, heartbeat.epoch)
        passed = self.named_at
        self.named, self.named_at = heartbeat.last_trade_id, heartbeat.time
        if self.named < self.waived:
            self.waived = -1
        if self.named <= max(self.known, self.waived):
            passed = heartbeat.time
        self.now = max(self.now, passed)
        return passed


class Windowed(Watch):
    """One window `[start, end)` at a time; a trade before *until* belongs to it without another check."""

    def __init__(self, first: Match | LastMatch | ExchangeHeartbeat, width: timedelta, ahead: Ahead) -> None:
        super().__init__(first, width, ahead)
        self._place(first.time)

    def _place(self, time: datetime) -> None:
        self.start = time - (time - _EPOCH) % self.width
        self.end = self.start + self.width
        self.until = _EPOCH
        self.count, self.notional = 0, _ZERO

    def missed(self, time: datetime) -> None:
        super().missed(time)
        self.whole = False

    def take(self, message: Match | LastMatch | ExchangeHeartbeat) -> tuple[Any, ...]:
        if type(message) is LastMatch:
            self.last_match(message)
            return ()
        if type(message) is Match:
            self.trade(message)
            time = message.time
            if time < self.start:
                return (self.late(message, self.width),)
        else:
            assert type(message) is ExchangeHeartbeat
            time = self.heartbeat(message)
        closed = ()
        if time >= self.end:
            closed = self._closed()
            self._place(time)
        if type(message) is Match:
            if self.count:
                self.add(message)
            else:
                self.whole = self.since < self.start
                self.begin(message)
            self.until = min(self.end, self.ahead.until(time))
        return closed

    def finish(self) -> tuple[Any, ...]:
        self.whole = False
        return self._closed()

    def _closed(self) -> tuple[Any, ...]:
        return (self.result(),) if self.count else ()

    def begin(self, match: Match) -> None:
        raise NotImplementedError

    def add(self, match: Match) -> None:
        raise NotImplementedError

    def result(self) -> Any:
        raise NotImplementedError


class Traded(Windowed):
    """For `VolumeWindow`."""

    def begin(self, match: Match) -> None:
        self.bought = self.sold = _ZERO
        self.add(match)

    def add(self, match: Match) -> None:
        if match.side == "sell":
            self.bought += match.size
        else:
            self.sold += match.size
        self.notional += match.price * match.size
        self.count += 1

    def result(self) -> VolumeWindow:
        volume = self.bought + self.sold
        vwap = _vwap(self.notional, volume)
        sums = (volume, self.notional, vwap, self.count, self.bought, self.sold)
        return VolumeWindow(self.product_id, self.start, self.end, *sums, self.whole)


class Candled(Windowed):
    """For `Candle`."""

    def begin(self, match: Match) -> None:
        self.open = self.high = self.low = self.close = match.price
        self.first = self.last = (match.time, match.trade_id)
        self.volume = _ZERO
        self.add(match)

    def add(self, match: Match) -> None:
        self.high, self.low = max(self.high, match.price), min(self.low, match.price)
        place = (match.time, match.trade_id)
        if place >= self.last:
            self.close, self.last = match.price, place
        elif place < self.first:
            self.open, self.first = match.price, place
        self.volume += match.size
        self.notional += match.price * match.size
        self.count += 1

    def result(self) -> Candle:
        prices = (self.open, self.high, self.low, self.close)
        sums = (self.volume, self.notional, _vwap(self.notional, self.volume), self.count, self.whole)
        return Candle(self.product_id, self.start, self.end, *prices, *sums)


class Rolling(Watch):
    """For `RollingVolume`: the trades of the last *width*, and the prices that no later one exceeds."""

    def __init__(self, first: Match | LastMatch, width: timedelta, ahead: Ahead) -> None:
        super().__init__(first, width, ahead)
        self.newest = _EPOCH
        self.trades: deque[tuple[datetime, Decimal, Decimal]] = deque()
        self.highs: deque[tuple[datetime, Decimal]] = deque()
        self.lows: deque[tuple[datetime, Decimal]] = deque()
        self.volume = self.notional = _ZERO

    @staticmethod
    def late(match: Match, width: timedelta) -> Late:
        return Late(match.product_id, match.time - width, match.time, match)

    def take(self, message: Match | LastMatch) -> tuple[Any, ...]:
        if type(message) is LastMatch:
            self.last_match(message)
            return ()
        assert type(message) is Match
        self.trade(message)
        if message.time < self.newest:
            return (self.late(message, self.width),)
        return (self.add(message),)

    def add(self, match: Match) -> RollingVolume:
        end, price, size = match.time, match.price, match.size
        self.newest = end
        start = end - self.width
        trades, highs, lows = self.trades, self.highs, self.lows
        while trades and trades[0][0] <= start:
            _, gone, worth = trades.popleft()
            self.volume -= gone
            self.notional -= worth
        worth = price * size
        trades.append((end, size, worth))
        self.volume += size
        self.notional += worth
        while highs and highs[-1][1] < price:
            highs.pop()
        highs.append((end, price))
        while highs[0][0] <= start:
            highs.popleft()
        while lows and lows[-1][1] > price:
            lows.pop()
        lows.append((end, price))
        while lows[0][0] <= start:
            lows.popleft()
        vwap = _vwap(self.notional, self.volume)
        sums = (self.volume, self.notional, vwap, len(trades), highs[0][1], lows[0][1])
        return RollingVolume(self.product_id, start, end, *sums, self.since <= start)


def take(
    product: W | None, state: type[W], message: Any, width: timedelta, ahead: Ahead
) -> tuple[W | None, tuple[Any, ...]]:
    """The *product* after *message* (a new *state* if there was none), and the outputs."""
    if ahead.has(message):
        if type(message) is not Match:
            return product, ()
        if product is not None:
            product.undated(message)
        return product, (state.late(message, width),)
    if product is None:
        product = state(message, width, ahead)
    return product, product.take(message)


def _vwap(notional: Decimal, volume: Decimal) -> Decimal | None:
    return _ROUNDED.divide(notional, volume) if volume else None


class Crossing:
    """For `PriceCross`: the side of the *level*, the price there, and whether something was missed since."""

    def __init__(self, product_id: str, level: Decimal) -> None:
        self.product_id, self.level = product_id, level
        self.side, self.before, self.gap = 0, level, False
        self.epoch: int | None = None

    def take(self, message: Match | LastMatch | ExchangeTicker) -> tuple[Any, ...]:
        if message.epoch != self.epoch:
            self.gap, self.epoch = self.epoch is not None, message.epoch
        price = message.price
        if price == self.level or price <= _ZERO:  # of 0: there was no trade
            return ()
        side = 1 if price > self.level else -1
        crossed, gap, before = side == -self.side, self.gap, self.before
        self.side, self.before, self.gap = side, price, False
        if not crossed:
            return ()
        direction = "up" if side > 0 else "down"
        return (PriceCross(self.product_id, self.level, direction, before, price, message.time, gap),)
