"""Open, high, low and close of each window of event time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Self

from rxfeed.core.accumulator import WindowAccumulator
from rxfeed.core.arguments import Seconds
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.numbers import ZERO, quotient
from rxfeed.core.result import Result
from rxfeed.core.windower import Grid
from rxfeed.core.windowing import Windowing
from rxfeed.market import PriorTrade, Trade


class Candle(Result, frozen=True, gc=False):
    """The prices and volume of *product_id* in `[start, end)`.

    *open* and *close* are the prices of the first and last trade by time, then by trade id, *high* and *low* the
    extremes; a candle without a trade has the last close before it in all four, `None` where that is not known.
    *volume* (base currency) and *notional* (quote currency) are exact, *vwap* their quotient to 28 digits; a venue's
    own candle (see `candles_history`) has no *notional*, *vwap* and *count*. *complete* is True only if every trade of
    the window is known to be counted. *repaired*: how many of the trades had been missed, and came in another way.
    """

    product_id: str
    start: datetime
    end: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal
    notional: Decimal | None
    vwap: Decimal | None
    count: int | None
    complete: bool
    repaired: int = 0


class CandlePrices(WindowAccumulator[Candle]):
    """The prices of a window; *closes* has the last close of each product, for windows without a trade."""

    __slots__ = ("_closes", "close", "count", "first", "high", "last", "low", "notional", "open", "volume")

    def __init__(self, closes: dict[str, Decimal] | None = None) -> None:
        super().__init__()
        self._closes = {} if closes is None else closes
        self.count = 0
        self.volume = self.notional = ZERO

    def _add(self, trades: list[Trade | PriorTrade]) -> None:
        if not self.count and trades:
            first = trades[0]
            self.open = self.high = self.low = self.close = first.price
            self.first = self.last = (first.time, first.trade_id)
        volume, notional = self.volume, self.notional
        for match in trades:
            price, size = match.price, match.size
            if price > self.high:
                self.high = price
            elif price < self.low:
                self.low = price
            place = (match.time, match.trade_id)
            if place >= self.last:
                self.close, self.last = price, place
            elif place < self.first:
                self.open, self.first = price, place
            volume += size
            notional += price * size
        self.volume, self.notional = volume, notional
        self.count += len(trades)

    def _merge(self, other: Self) -> None:
        if other.count and not self.count:
            self.open, self.high, self.low, self.close = other.open, other.high, other.low, other.close
            self.first, self.last = other.first, other.last
        elif other.count:
            self.high, self.low = max(self.high, other.high), min(self.low, other.low)
            if other.first < self.first:
                self.open, self.first = other.open, other.first
            if other.last >= self.last:
                self.close, self.last = other.close, other.last
        self.volume += other.volume
        self.notional += other.notional
        self.count += other.count

    def result(self, product_id: str, start: datetime, end: datetime, complete: bool) -> Candle:
        before = self._closes.get(product_id)
        prices = (before, before, before, before)
        if self.count:
            prices = (self.open, self.high, self.low, self.close)
            self._closes[product_id] = self.close
        return Candle(
            product_id,
            start,
            end,
            *prices,
            volume=self.volume,
            notional=self.notional,
            vwap=quotient(self.notional, self.volume),
            count=self.count,
            complete=complete,
            repaired=self.repaired,
        )


class Candles(Windowing[Candle]):
    """Outputs a `Candle` per product and window of *seconds*: see `Windowing` for when, and `Late` for the rest.

    >>> from rxfeed import fold
    >>> from rxfeed.core import Candles
    >>> from rxfeed.testing import trade
    >>> [str(c.close) for c in fold(Candles(60), [trade(9, time=0), trade(11, time=59), trade(10, time=60)])]
    ['11', '10']
    """

    __slots__ = ("_closes",)

    def __init__(
        self, seconds: Seconds, lateness: Seconds = 0, empty: bool = False, *, max_ahead: Seconds | None = MAX_AHEAD
    ) -> None:
        self._closes: dict[str, Decimal] = {}  # the newest close that was output, or last_match's
        super().__init__(Grid(seconds, lateness), partial(CandlePrices, self._closes), empty, max_ahead=max_ahead)

    def finish(self) -> tuple[Candle, ...]:
        left = super().finish()
        self._closes.clear()
        return left

    def _prior_trade(self, last: PriorTrade) -> None:
        super()._prior_trade(last)
        self._closes.setdefault(last.product_id, last.price)
