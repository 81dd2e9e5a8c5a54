"""Bars for research, each of a number of trades, a volume, or a notional."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal
from typing import ClassVar

from rxfeed.core.arguments import Seconds, positive, positive_integer
from rxfeed.core.arrival_span import ArrivalSpan, counted
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.numbers import EXACT, ZERO, quotient
from rxfeed.core.result import Result
from rxfeed.market import Message, PriorTrade, Repairs, Trade

_DOWN = Context(prec=28, rounding=ROUND_DOWN)
_MOST_AT_ONCE = Decimal(100_000)


class Bar(Result, frozen=True, gc=False):
    """Consecutive trades of *product_id*, from the time *start* of the first to the time *end* of the last.

    *count*: trades of which the bar has at least a part. *volume*, *buy_volume* and *sell_volume* (by the taker's side)
    are in the base currency and exact, *notional* is in the quote currency and exact, *vwap* has 28 digits. *complete*
    is False if trades were missed within the bar or directly before it, or if the stream ended before the bar was
    full. *repaired*: those of the *count* trades that had been missed, and came in another way.
    """

    product_id: str
    start: datetime
    end: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    notional: Decimal
    vwap: Decimal | None
    count: int
    buy_volume: Decimal
    sell_volume: Decimal
    complete: bool
    repaired: int = 0


class _Growing(ArrivalSpan):
    """The bar of a product that is not full yet."""

    __slots__ = ("bought", "close", "count", "high", "low", "notional", "open", "repaired", "sold")

    def __init__(self, first: Trade | PriorTrade, clock: EventClock) -> None:
        super().__init__(first, clock)
        self._begin()

    def _begin(self) -> None:
        self.whole = True
        self.count = self.repaired = 0
        self.bought = self.sold = self.notional = ZERO

    @property
    def volume(self) -> Decimal:
        return EXACT.add(self.bought, self.sold)

    def add(self, match: Trade | PriorTrade, size: Decimal, notional: Decimal) -> None:
        """Add a trade, or a part of it."""
        price, first = match.price, not self.count
        self.cover(match, first)
        if first:
            self.open = self.high = self.low = price
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        if match.maker_side == "sell":
            self.bought = EXACT.add(self.bought, size)
        else:
            self.sold = EXACT.add(self.sold, size)
        self.notional = EXACT.add(self.notional, notional)
        self.count += 1
        if Repairs.made:
            self.repaired += match.repaired

    def result(self, product_id: str, complete: bool) -> Bar:
        """The bar of the trades added so far. The next trade begins another bar."""
        bar = Bar(
            product_id=product_id,
            start=self.start,
            end=self.end,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            notional=self.notional,
            vwap=quotient(self.notional, self.volume),
            count=self.count,
            buy_volume=self.bought,
            sell_volume=self.sold,
            complete=complete,
            repaired=self.repaired,
        )
        self._begin()
        return bar


class _Bars(ABC):
    """Outputs each `Bar` of a product when it is full, and at the end the bars that are not full, as incomplete.

    The first bar begins with the first trade. Trades are taken in the order of arrival, so no trade is late. A trade's
    time is limited to *max_ahead* seconds after its receipt (see `EventClock`). A trade that would fill over 100,000
    bars is not split: it ends one bar, which contains all of it and is not complete. O(1) a trade and bar; memory grows
    with the number of products.
    """

    __slots__ = ("_products", "clock", "report")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade))

    def __init__(self, max_ahead: Seconds | None) -> None:
        self.clock = EventClock(max_ahead)
        self.report: Callable[[Trade | PriorTrade], None] | None = None
        """Called with the first trade that is not split, and not again."""
        self._products: dict[str, _Growing] = {}

    def step(self, message: Message) -> tuple[Bar, ...]:
        trade = counted(message)
        if trade is None:
            return ()
        bar = self._products.get(trade.product_id)
        if bar is None:
            bar = self._products[trade.product_id] = _Growing(trade, self.clock)
        elif isinstance(trade, PriorTrade) and trade.trade_id <= bar.known:  # it came before
            return ()
        bar.see(trade)
        return self._trade(bar, trade)

    def finish(self) -> tuple[Bar, ...]:
        left = tuple(bar.result(product, complete=False) for product, bar in self._products.items() if bar.count)
        self._products = {}
        return left

    @abstractmethod
    def _trade(self, bar: _Growing, match: Trade | PriorTrade) -> tuple[Bar, ...]: ...

    def _unsplit(self, bar: _Growing, match: Trade | PriorTrade, notional: Decimal) -> tuple[Bar, ...]:
        report, self.report = self.report, None
        if report is not None:
            report(match)
        bar.add(match, match.size, notional)
        return (bar.result(match.product_id, complete=False),)


class TickBars(_Bars):
    """Bars of *trades* trades each.

    >>> from rxfeed import fold
    >>> from rxfeed.core import TickBars
    >>> from rxfeed.testing import trade
    >>> [(b.count, b.complete) for b in fold(TickBars(2), [trade(), trade(), trade()])]
    [(2, True), (1, False)]
    """

    __slots__ = ("_trades",)

    def __init__(self, trades: int, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        super().__init__(max_ahead)
        self._trades = positive_integer("trades", trades)

    def _trade(self, bar: _Growing, match: Trade | PriorTrade) -> tuple[Bar, ...]:
        bar.add(match, match.size, EXACT.multiply(match.price, match.size))
        return (bar.result(match.product_id, bar.whole),) if bar.count >= self._trades else ()


class VolumeBars(_Bars):
    """Bars of exactly *volume* each: a trade that overfills one is split, and its rest begins the next.

    >>> from rxfeed import fold
    >>> from rxfeed.core import VolumeBars
    >>> from rxfeed.testing import trade
    >>> [str(b.volume) for b in fold(VolumeBars("1.5"), [trade(size=1), trade(size="2.25")])]
    ['1.5', '1.5', '0.25']
    """

    __slots__ = ("_most", "_volume")

    def __init__(self, volume: Decimal | str | int, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        super().__init__(max_ahead)
        self._volume = positive("volume", volume)
        self._most = EXACT.multiply(self._volume, _MOST_AT_ONCE)

    def _trade(self, bar: _Growing, match: Trade | PriorTrade) -> tuple[Bar, ...]:
        if match.size > self._most:
            return self._unsplit(bar, match, EXACT.multiply(match.price, match.size))
        full: list[Bar] = []
        size = match.size
        while size >= (missing := EXACT.subtract(self._volume, bar.volume)):
            bar.add(match, missing, EXACT.multiply(match.price, missing))
            full.append(bar.result(match.product_id, bar.whole))
            size = EXACT.subtract(size, missing)
        if size:
            bar.add(match, size, EXACT.multiply(match.price, size))
        return tuple(full)


class DollarBars(_Bars):
    """Bars of exactly *notional* of the quote currency each: a trade that overfills one is split by its notional.

    The size of the first part is the missing notional divided by the price, cut to 28 digits, since a quotient may have
    no exact decimal. The rest begins the next bar, so the volumes of all bars add up exactly to those of the trades.

    >>> from rxfeed import fold
    >>> from rxfeed.core import DollarBars
    >>> from rxfeed.testing import trade
    >>> [(str(b.notional), str(b.volume)) for b in fold(DollarBars(100), [trade(40, size=2), trade(40, size=1)])]
    [('100', '2.5'), ('20', '0.5')]
    """

    __slots__ = ("_most", "_notional")

    def __init__(self, notional: Decimal | str | int, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        super().__init__(max_ahead)
        self._notional = positive("notional", notional)
        self._most = EXACT.multiply(self._notional, _MOST_AT_ONCE)

    def _trade(self, bar: _Growing, match: Trade | PriorTrade) -> tuple[Bar, ...]:
        size, notional = match.size, EXACT.multiply(match.price, match.size)
        if notional > self._most:
            return self._unsplit(bar, match, notional)
        full: list[Bar] = []
        while notional >= (missing := EXACT.subtract(self._notional, bar.notional)):
            notional = EXACT.subtract(notional, missing)
            part = _DOWN.divide(missing, match.price) if notional else size
            bar.add(match, part, missing)
            full.append(bar.result(match.product_id, bar.whole))
            size = EXACT.subtract(size, part)
        if size:
            bar.add(match, size, notional)
        return tuple(full)
