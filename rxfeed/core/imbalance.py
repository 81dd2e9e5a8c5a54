"""Trade imbalance: what takers bought less what they sold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from rxfeed.core.arguments import Seconds
from rxfeed.core.arrival_span import ArrivalSpan, counted
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.numbers import ZERO, exactly, quotient
from rxfeed.core.result import Result
from rxfeed.core.rolling import KeptTrade, LastTrades, Rolling
from rxfeed.market import Heartbeat, Message, PriorTrade, Trade


class TradeImbalance(Result, frozen=True, gc=False):
    """What takers bought less what they sold of *product_id* in `(start, end]`, the trade at *end* included.

    *count* in trades, *volume* in the base currency, *notional* in the quote currency, all exact; *ratio*, from -1 to 1
    and to 28 digits, is *volume* divided by the traded volume. Without a span, *start* is the time of the first trade,
    and that trade is included. *complete* is True only if no trade of the span is known to be missing.
    """

    product_id: str
    start: datetime
    end: datetime
    count: int
    volume: Decimal
    notional: Decimal
    ratio: Decimal | None
    complete: bool


class _Balance:
    """Signed sums, made with `+` and `-`. Callers set the decimal context that makes them exact."""

    __slots__ = ("count", "notional", "traded", "volume")

    def __init__(self) -> None:
        self.count = 0
        self.volume = self.notional = self.traded = ZERO

    def add(self, bought: bool, size: Decimal, notional: Decimal) -> None:
        self.traded += size
        self._move(bought, size, notional)

    def take_back(self, bought: bool, size: Decimal, notional: Decimal) -> None:
        self.traded -= size
        self._move(not bought, size, notional)

    def _move(self, up: bool, size: Decimal, notional: Decimal) -> None:
        if up:
            self.volume, self.notional, self.count = self.volume + size, self.notional + notional, self.count + 1
        else:
            self.volume, self.notional, self.count = self.volume - size, self.notional - notional, self.count - 1

    def result(self, product_id: str, start: datetime, end: datetime, complete: bool) -> TradeImbalance:
        ratio = quotient(self.volume, self.traded)
        return TradeImbalance(product_id, start, end, self.count, self.volume, self.notional, ratio, complete)


class SlidingImbalance(Rolling[TradeImbalance]):
    """Outputs a `TradeImbalance` of the last *seconds* at every trade: see `Rolling`.

    >>> from rxfeed import fold
    >>> from rxfeed.core import SlidingImbalance
    >>> from rxfeed.testing import trade
    >>> trades = [trade(time=0), trade(size=3, time=30, taker_side="sell"), trade(time=60)]
    >>> [str(i.volume) for i in fold(SlidingImbalance(60), trades)]
    ['1', '-2', '-2']
    """

    __slots__ = ()

    def _follow(self, first: Trade | PriorTrade | Heartbeat) -> _LastBalance:
        return _LastBalance(first)


class _LastBalance(LastTrades[TradeImbalance]):
    __slots__ = ("sums",)

    def __init__(self, first: Trade | PriorTrade | Heartbeat) -> None:
        super().__init__(first)
        self.sums = _Balance()

    def remove(self, trade: KeptTrade) -> None:
        self.sums.take_back(trade.bought, trade.size, trade.notional)

    def add(self, trade: KeptTrade, price: Decimal, start: datetime) -> TradeImbalance:
        self.sums.add(trade.bought, trade.size, trade.notional)
        return self.sums.result(self.product_id, start, trade.time, self.since <= start)


class _Running(ArrivalSpan):
    __slots__ = ("sums",)

    def __init__(self, first: Trade | PriorTrade, clock: EventClock) -> None:
        super().__init__(first, clock)
        self.sums = _Balance()


class RunningImbalance:
    """Outputs a `TradeImbalance` since the first trade of its product at every trade, whatever their order.

    After a gap no result of the product is complete. No trade is late; a trade's time is limited to *max_ahead* seconds
    after its receipt (see `EventClock`). O(1) a trade; memory grows with the number of products.

    >>> from rxfeed import fold
    >>> from rxfeed.core import RunningImbalance
    >>> from rxfeed.testing import trade
    >>> [str(i.volume) for i in fold(RunningImbalance(), [trade(taker_side="buy"), trade(taker_side="sell", size=3)])]
    ['1', '-2']
    """

    __slots__ = ("_products", "clock")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade))

    def __init__(self, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self._products: dict[str, _Running] = {}

    def step(self, message: Message) -> tuple[TradeImbalance, ...]:
        if isinstance(message, Trade):
            return self._trade(message)
        trade = counted(message)
        if trade is not None and not self._came(trade):
            self._trade(trade)  # it counts in later results, and has none of its own
        return ()

    def _came(self, trade: PriorTrade | Trade) -> bool:
        product = self._products.get(trade.product_id)
        return product is not None and trade.trade_id <= product.known

    @exactly
    def _trade(self, message: Trade | PriorTrade) -> tuple[TradeImbalance, ...]:
        product = self._products.get(message.product_id)
        first = product is None
        if product is None:
            product = self._products[message.product_id] = _Running(message, self.clock)
        product.see(message)
        product.cover(message, first)
        product.sums.add(message.maker_side == "sell", message.size, message.price * message.size)
        return (product.sums.result(message.product_id, product.start, product.end, product.whole),)

    def finish(self) -> tuple[TradeImbalance, ...]:
        self._products = {}
        return ()
