"""Open, high, low and close of each window of event time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.numbers import ZERO, quotient
from rxfeed.core.tumbling import Tumbling, WindowAccumulator
from rxfeed.market import PriorTrade, Trade


class Candle(msgspec.Struct, frozen=True, gc=False):
    """The prices and volume of *product_id* in `[start, end)`.

    *open* and *close* are the prices of the first and last trade by time, then by trade id, *high* and *low* the
    extremes; a candle without a trade has the last close before it in all four, `None` where that is not known.
    *volume* (base currency) and *notional* (quote currency) are exact, *vwap* their quotient to 28 digits. *complete*
    is True only if every trade of the window is known to be counted.
    """

    product_id: str
    start: datetime
    end: datetime
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal
    notional: Decimal
    vwap: Decimal | None
    count: int
    complete: bool


class _Prices(WindowAccumulator[Candle]):
    __slots__ = ("_closes", "close", "count", "first", "high", "last", "low", "notional", "open", "volume")

    def __init__(self, closes: dict[str, Decimal]) -> None:
        super().__init__()
        self._closes = closes
        self.count = 0
        self.volume = self.notional = ZERO

    def _add(self, trades: list[Trade]) -> None:
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
        )


class Candles(Tumbling[Candle]):
    """Outputs a `Candle` per product and window of *seconds*: see `Tumbling` for when, and `Late` for the rest.

    >>> [str(c.close) for c in fold(Candles(60), [match(9, time=0), match(11, time=59), match(10, time=60)])]
    ['11', '10']
    """

    __slots__ = ("_closes",)

    def __init__(
        self, seconds: float, lateness: float = 0, empty: bool = False, *, max_ahead: float | None = MAX_AHEAD
    ) -> None:
        super().__init__(seconds, lateness, empty, max_ahead=max_ahead)
        self._closes: dict[str, Decimal] = {}  # the newest close that was output, or last_match's

    def finish(self) -> tuple[Candle, ...]:
        left = super().finish()
        self._closes = {}
        return left

    def _open(self, product_id: str) -> _Prices:
        return _Prices(self._closes)

    def _last_match(self, last: PriorTrade) -> None:
        super()._last_match(last)
        self._closes.setdefault(last.product_id, last.price)
