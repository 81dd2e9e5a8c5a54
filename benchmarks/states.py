"""What the hand-written pipelines keep of a product, and all that may follow from a message, in full.

The plain loops go through `take` for what is rare, the stock operators' `scan` for every message. The caller has set
`EXACT` as the thread's decimal context.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, NamedTuple

from rxfeed import Candle, Late, PriceCross, RollingVolume, VolumeWindow
from rxfeed.market import Level, Message
from rxfeed.venues.coinbase_exchange.messages import Auction, Heartbeat, L2Update, LastMatch, Match, Snapshot, Ticker

EXACT = Context(prec=100, traps=[InvalidOperation, Overflow, Inexact])
PRICED = frozenset((Match, LastMatch, Ticker))
BOOKED = frozenset((Snapshot, L2Update, Auction, Heartbeat))
_ROUNDED = Context(prec=28)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = Decimal(0)


class Watch:
    """Since when nothing of a product was missed."""

    def __init__(self, first: Match | LastMatch | Heartbeat, width: timedelta) -> None:
        self.product_id, self.width, self.epoch = first.product_id, width, first.epoch
        self.since = self.now = self.named_at = first.time
        self.expecting = type(first) is Heartbeat  # the first trade's number tells whether one was missed before it
        self.known = first.last_trade_id if isinstance(first, Heartbeat) else first.trade_id
        self.named = -1

    def finish(self) -> tuple[Any, ...]:
        return ()

    def missed(self, time: datetime) -> None:
        self.since = max(self.now, time)

    def trade(self, match: Match) -> None:
        if match.epoch != self.epoch:
            self.epoch, self.known = match.epoch, match.trade_id
            self.missed(match.time)
        elif self.expecting and match.trade_id > self.known + 1:
            self.missed(match.time)
        self.expecting = False
        self.known = max(self.known, match.trade_id)
        self.now = max(self.now, match.time)

    def last_match(self, last: LastMatch) -> None:
        if last.epoch != self.epoch:
            self.epoch, self.known, self.expecting = last.epoch, last.trade_id, False
            self.missed(last.time)
        elif self.expecting:
            self.expecting, self.known = False, max(self.known, last.trade_id)
            self.since = min(self.since, last.time)

    def heartbeat(self, heartbeat: Heartbeat) -> datetime:
        """The time up to which no trade is to come any more."""
        if self.named > self.known or heartbeat.epoch != self.epoch:
            self.known, self.epoch = max(self.known, self.named), heartbeat.epoch
            self.missed(heartbeat.time)
        passed = self.named_at
        self.named, self.named_at = heartbeat.last_trade_id, heartbeat.time
        if self.named <= self.known:
            passed = heartbeat.time
        self.now = max(self.now, passed)
        return passed


class Windowed(Watch):
    """One window `[start, end)` at a time; *until* is its end once it has a trade."""

    def __init__(self, first: Match | LastMatch | Heartbeat, width: timedelta) -> None:
        super().__init__(first, width)
        self._place(first.time)

    def _place(self, time: datetime) -> None:
        self.start = time - (time - _EPOCH) % self.width
        self.end = self.start + self.width
        self.until = _EPOCH
        self.count, self.notional = 0, _ZERO

    def missed(self, time: datetime) -> None:
        super().missed(time)
        self.whole = False

    def take(self, message: Match | LastMatch | Heartbeat) -> tuple[Any, ...]:
        if type(message) is LastMatch:
            self.last_match(message)
            return ()
        if type(message) is Match:
            self.trade(message)
            time = message.time
            if time < self.start:
                start = time - (time - _EPOCH) % self.width
                return (Late(self.product_id, start, start + self.width, message),)
        else:
            assert type(message) is Heartbeat
            time = self.heartbeat(message)
        closed = ()
        if time >= self.end:
            closed = self._closed()
            self._place(time)
        if type(message) is Match:
            if self.count:
                self.add(message)
            else:
                self.whole, self.until = self.since < self.start, self.end
                self.begin(message)
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
    """For `RollingVolume`: the trades of the last *width*, and those prices that no later one has outdone."""

    def __init__(self, first: Match | LastMatch, width: timedelta) -> None:
        super().__init__(first, width)
        self.newest = _EPOCH
        self.trades: deque[tuple[datetime, Decimal, Decimal]] = deque()
        self.highs: deque[tuple[datetime, Decimal]] = deque()
        self.lows: deque[tuple[datetime, Decimal]] = deque()
        self.volume = self.notional = _ZERO

    def take(self, message: Match | LastMatch) -> tuple[Any, ...]:
        if type(message) is LastMatch:
            self.last_match(message)
            return ()
        assert type(message) is Match
        self.trade(message)
        if message.time < self.newest:
            return (Late(self.product_id, message.time - self.width, message.time, message),)
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


def _vwap(notional: Decimal, volume: Decimal) -> Decimal | None:
    return _ROUNDED.divide(notional, volume) if volume else None


class Crossing:
    """For `PriceCross`: the side of the *level*, the price there, and whether something was missed since."""

    def __init__(self, product_id: str, level: Decimal) -> None:
        self.product_id, self.level = product_id, level
        self.side, self.before, self.gap = 0, level, False
        self.epoch: int | None = None

    def take(self, message: Match | LastMatch | Ticker) -> tuple[Any, ...]:
        if message.epoch != self.epoch:
            self.gap, self.epoch = self.epoch is not None, message.epoch
        price = message.price
        if price == self.level:
            return ()
        side = 1 if price > self.level else -1
        crossed, gap, before = side == -self.side, self.gap, self.before
        self.side, self.before, self.gap = side, price, False
        if not crossed:
            return ()
        direction = "up" if side > 0 else "down"
        return (PriceCross(self.product_id, self.level, direction, before, price, message.time, gap),)


class Side(NamedTuple):
    """Prices in ascending order, and the size at each."""

    prices: list[Decimal]
    sizes: dict[Decimal, Decimal]


class Top(NamedTuple):
    """A book's best prices, as in a `BookView`, and its two sides."""

    product_id: str
    ready: bool
    time: datetime | None
    crossed: bool
    best_bid: Level | None
    best_ask: Level | None
    bids: Side
    asks: Side


class Book:
    """For `Top`. Where it is *kept* its sides never change, as a view's do not; if not, there is one book all along."""

    def __init__(self, product_id: str, *, kept: bool) -> None:
        self.product_id, self.kept = product_id, kept
        self.ready, self.auction, self.epoch = False, False, 0
        self.bids, self.asks = Side([], {}), Side([], {})

    def take(self, message: Any) -> tuple[Top, ...]:
        kind = type(message)
        if kind not in BOOKED:
            return ()
        lost = self.lost(message) if message.epoch != self.epoch else ()
        if kind is Snapshot:
            if not all(_sound(price, size) for side in (message.bids, message.asks) for price, size in side):
                return self.lost(message)
            self.ready, self.epoch = True, message.epoch
            bids, asks = ({price: size for price, size in side if size} for side in (message.bids, message.asks))
            self.bids, self.asks = Side(sorted(bids), bids), Side(sorted(asks), asks)
            return (*lost, self.top(message.time))
        if kind is Auction:
            self.auction = message.auction_state != "complete"
        if kind is L2Update and self.ready:
            return self.update(message)
        return lost

    def lost(self, message: Message) -> tuple[Top, ...]:
        if not self.ready:
            return ()
        self.ready = self.auction = False
        self.bids, self.asks = Side([], {}), Side([], {})
        return (self.top(message.time),)

    def update(self, update: L2Update) -> tuple[Top, ...]:
        changed = False
        for side, price, size in update.changes:
            if not _sound(price, size):
                return self.lost(update)
            prices, sizes = self.bids if side == "buy" else self.asks
            before = sizes.get(price, _ZERO)
            if size == before:
                continue
            changed = True
            if self.kept:
                prices, sizes = copy = Side(prices.copy(), sizes.copy())
                if side == "buy":
                    self.bids = copy
                else:
                    self.asks = copy
            if size:
                if not before:
                    insort(prices, price)
                sizes[price] = size
            else:
                del sizes[price]
                del prices[bisect_left(prices, price)]
        return (self.top(update.time),) if changed else ()

    def top(self, time: datetime | None) -> Top:
        bids, asks = self.bids, self.asks
        bid = (bids.prices[-1], bids.sizes[bids.prices[-1]]) if bids.prices else None
        ask = (asks.prices[0], asks.sizes[asks.prices[0]]) if asks.prices else None
        crossed = bid is not None and ask is not None and bid[0] >= ask[0] and not self.auction
        return Top(self.product_id, self.ready, time, crossed, bid, ask, bids, asks)


def _sound(price: Decimal, size: Decimal) -> bool:
    return price.is_finite() and size.is_finite() and size >= 0
