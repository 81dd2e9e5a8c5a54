"""Sums, highs and lows of the last seconds, at every trade."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from rxfeed.core.completeness import FIRST, CompletenessTracker, Late, earlier, positive_span
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.numbers import ZERO, exactly, quotient
from rxfeed.core.sliding_min_max import SlidingMinMax
from rxfeed.market import Message, PriorTrade, Trade

R = TypeVar("R")


class RollingVolume(msgspec.Struct, frozen=True, gc=False):
    """The trades of *product_id* in `(start, end]`: the last seconds, the trade at *end* included.

    *volume* (base currency) and *notional* (quote currency) are exact, *vwap* their quotient to 28 digits, *high* and
    *low* the extreme prices. *complete* is True only if every earlier trade of the span is known to be counted.
    """

    product_id: str
    start: datetime
    end: datetime
    volume: Decimal
    notional: Decimal
    vwap: Decimal | None
    count: int
    high: Decimal
    low: Decimal
    complete: bool


class KeptTrade(msgspec.Struct, frozen=True, gc=False):
    """The fields of a trade that its later removal needs. *bought*: the taker bought."""

    time: datetime
    bought: bool
    size: Decimal
    notional: Decimal


class LastTrades(CompletenessTracker, ABC, Generic[R]):
    """The trades of one product in the last seconds, and their sums. In `add`, `+` and `*` are exact."""

    __slots__ = ("newest", "product_id", "trades")

    def __init__(self, first: Trade | PriorTrade) -> None:
        super().__init__(first)
        self.product_id = first.product_id
        self.newest = FIRST
        self.trades: deque[KeptTrade] = deque()

    @abstractmethod
    def add(self, trade: KeptTrade, price: Decimal, start: datetime) -> R:
        """The result after *trade* was added and the trades that are not after *start* were removed."""


class Rolling(ABC, Generic[R]):
    """Outputs, at every trade, the result of the last *seconds* of its product: `(trade.time - seconds, trade.time]`.

    A trade that is older than the newest of its product is missing from earlier results, and is output as `Late`; so is
    a trade dated more than *max_ahead* seconds after its receipt (see `EventClock`). A result is complete if no trade
    since its start was missed. After the subscription, and after a gap, the first complete result comes *seconds*
    later, or earlier if a `last_match` shows that no trade is missing. Amortised O(1) a trade; memory grows with the
    trades of the last *seconds*.
    """

    __slots__ = ("_products", "_trade_type", "_width", "clock")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade))

    def __init__(self, seconds: float, *, max_ahead: float | None = MAX_AHEAD) -> None:
        self._width = positive_span("seconds", seconds)
        self.clock = EventClock(max_ahead)
        self._products: dict[str, LastTrades[R]] = {}
        self._trade_type: type[Message] = Trade

    @abstractmethod
    def _follow(self, first: Trade | PriorTrade) -> LastTrades[R]:
        """The state of a product at its *first* message."""

    def step(self, message: Message) -> tuple[R | Late, ...]:
        kind = type(message)
        if kind is self._trade_type or isinstance(message, Trade):
            self._trade_type = kind  # a test for a subclass takes longer
            trade: Any = message
            return self._trade(trade)
        if isinstance(message, PriorTrade) and not self.clock.is_ahead(message, message.time):
            product = self._products.get(message.product_id)
            if product is None:
                self._products[message.product_id] = self._follow(message)
            else:
                product.last_match(message)
        return ()

    def finish(self) -> tuple[R, ...]:
        self._products = {}
        return ()

    @exactly
    def _trade(self, match: Trade) -> tuple[R | Late, ...]:
        product_id, time = match.product_id, match.time
        origin: Any = match._origin  # `match.epoch`, without the call that a property is
        product = self._products.get(product_id)
        if time > self.clock.limit and self.clock.is_ahead(match, time):
            if product is not None:
                product.undated(match)
            return (Late(product_id, earlier(time, self._width), time, match),)
        if product is None:
            product = self._products[product_id] = self._follow(match)
        elif (0 if origin is None else origin.epoch) == product.epoch and time >= product.now:  # as nearly always
            product.now = time
            if match.trade_id > product.known:
                product.known = match.trade_id
        else:
            product.trade(match)
        start = earlier(time, self._width)
        if time < product.newest:
            return (Late(product_id, start, time, match),)
        product.newest = time
        price, size = match.price, match.size
        return (product.add(KeptTrade(time, match.maker_side == "sell", size, price * size), price, start),)


class SlidingVolume(Rolling[RollingVolume]):
    """Outputs a `RollingVolume` of the last *seconds* at every trade: see `Rolling`.

    >>> [str(r.volume) for r in fold(SlidingVolume(60), [match(time=0), match(time=59), match(time=60)])]
    ['1', '2', '2']
    """

    __slots__ = ()

    def _follow(self, first: Trade | PriorTrade) -> _Volume:
        return _Volume(first)


class _Volume(LastTrades[RollingVolume]):
    __slots__ = ("notional", "prices", "volume")

    def __init__(self, first: Trade | PriorTrade) -> None:
        super().__init__(first)
        self.volume = self.notional = ZERO
        self.prices: SlidingMinMax[None] = SlidingMinMax()

    def add(self, trade: KeptTrade, price: Decimal, start: datetime) -> RollingVolume:
        trades = self.trades
        volume, notional, end = self.volume + trade.size, self.notional + trade.notional, trade.time
        while trades and trades[0].time <= start:
            gone = trades.popleft()
            volume -= gone.size
            notional -= gone.notional
        trades.append(trade)
        self.volume, self.notional = volume, notional
        low, high = self.prices.push(price, end, None, start)
        return RollingVolume(
            self.product_id,
            start,
            end,
            volume,
            notional,
            vwap=quotient(notional, volume),
            count=len(trades),
            high=high.price,
            low=low.price,
            complete=self.since <= start,
        )
