"""Sums, highs and lows of the last seconds, at every trade."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

import msgspec

from rxfeed.core.arguments import Seconds, positive_span
from rxfeed.core.completeness import CompletenessTracker, Late, earlier
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.numbers import ZERO, exactly, quotient
from rxfeed.core.result import Result
from rxfeed.core.sliding_min_max import Price, SlidingMinMax
from rxfeed.core.trade_machine import TradeMachine
from rxfeed.market import FIRST, Heartbeat, Message, PriorTrade, Trade

R = TypeVar("R")


class RollingVolume(Result, frozen=True, gc=False):
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

    def __init__(self, first: Trade | PriorTrade | Heartbeat) -> None:
        super().__init__(first)
        self.product_id = first.product_id
        self.newest = FIRST
        self.trades: deque[KeptTrade] = deque()

    @abstractmethod
    def remove(self, trade: KeptTrade, /) -> None:
        """Subtract *trade*, which is no longer in the span."""

    @abstractmethod
    def add(self, trade: KeptTrade, price: Decimal, start: datetime, /) -> R:
        """The result with *trade*, which is the last one in `trades`."""


class Rolling(TradeMachine[LastTrades[R]], Generic[R]):
    """Outputs, at every trade, the result of the last *seconds* of its product: `(trade.time - seconds, trade.time]`.

    A trade that is older than the newest of its product is missing from earlier results, and is output as `Late`; so is
    a trade dated more than *max_ahead* seconds after its receipt (see `EventClock`). A result is complete if no trade
    since its start was missed. After the subscription, and after a gap, the first complete result comes *seconds*
    later, or earlier if a `last_match` shows that no trade is missing. Amortised O(1) a trade; memory grows with the
    trades of the last *seconds*.
    """

    __slots__ = ("_width",)

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade))

    def __init__(self, seconds: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self._width = positive_span("seconds", seconds)
        super().__init__(max_ahead)

    def step(self, message: Message) -> tuple[R | Late, ...]:
        kind = type(message)
        if kind is self._trade_type or isinstance(message, Trade):
            self._trade_type = kind
            trade: Trade = message  # pyright: ignore[reportAssignmentType]  # the type of the last trade
            return self._trade(trade)
        if isinstance(message, PriorTrade) and self._counts(message):
            self._trade(message)  # it counts in later results, and has none of its own
        return ()

    def finish(self) -> tuple[R, ...]:
        self._products = {}
        return ()

    @exactly
    def _trade(self, match: Trade | PriorTrade) -> tuple[R | Late, ...]:
        product_id, time = match.product_id, match.time
        product = self._products.get(product_id)
        if time > self.clock.limit and self._is_ahead(product, match):
            return (Late(product_id, earlier(time, self._width), time, match),)
        # `match.epoch`, without the call that a property is.
        origin = match._origin  # pyright: ignore[reportPrivateUsage]  # as above
        if product is None:
            product = self._product(match)
        elif (0 if origin is None else origin.epoch) == product.epoch and time >= product.now:  # as nearly always
            product.now = time
            if match.trade_id > product.known:
                product.known = match.trade_id
        else:
            product.trade(match)
        try:  # `earlier`, without its call
            start = time - self._width
        except OverflowError:
            start = FIRST
        if time < product.newest:
            return (Late(product_id, start, time, match),)
        product.newest = time
        price, size = match.price, match.size
        trade = KeptTrade(time, match.maker_side == "sell", size, price * size)
        trades = product.trades
        while trades and trades[0].time <= start:
            product.remove(trades.popleft())
        trades.append(trade)
        return (product.add(trade, price, start),)


class SlidingVolume(Rolling[RollingVolume]):
    """Outputs a `RollingVolume` of the last *seconds* at every trade: see `Rolling`.

    >>> from rxfeed import fold
    >>> from rxfeed.core import SlidingVolume
    >>> from rxfeed.testing import trade
    >>> [str(r.volume) for r in fold(SlidingVolume(60), [trade(time=0), trade(time=59), trade(time=60)])]
    ['1', '2', '2']
    """

    __slots__ = ()

    def _follow(self, first: Trade | PriorTrade | Heartbeat) -> _Volume:
        return _Volume(first)


class _Volume(LastTrades[RollingVolume]):
    __slots__ = ("notional", "prices", "volume")

    def __init__(self, first: Trade | PriorTrade | Heartbeat) -> None:
        super().__init__(first)
        self.volume = self.notional = ZERO
        self.prices: SlidingMinMax[Price] = SlidingMinMax()

    def remove(self, trade: KeptTrade) -> None:
        self.volume -= trade.size
        self.notional -= trade.notional

    def add(self, trade: KeptTrade, price: Decimal, start: datetime) -> RollingVolume:
        self.volume = volume = self.volume + trade.size
        self.notional = notional = self.notional + trade.notional
        end = trade.time
        low, high = self.prices.push(Price(price, end), start)
        # By position, since names take a fiftieth of the step.
        return RollingVolume(
            self.product_id,
            start,
            end,
            volume,
            notional,
            quotient(notional, volume),
            len(self.trades),
            high.price,
            low.price,
            self.since <= start,
        )
