"""Traded volume of each window of event time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Self

from rxfeed.core.accumulator import WindowAccumulator
from rxfeed.core.arguments import Seconds
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.numbers import EXACT, ZERO, quotient
from rxfeed.core.result import Result
from rxfeed.core.windower import Grid
from rxfeed.core.windowing import Windowing
from rxfeed.market import PriorTrade, Trade


class VolumeWindow(Result, frozen=True, gc=False):
    """The trades of *product_id* in `[start, end)`.

    *volume* in the base currency, *notional* (the sum of price times size) in the quote currency, both exact; *vwap* is
    their quotient to 28 digits; *buy_volume* and *sell_volume* are those of the taker's side. *complete* is True only
    if every trade of the window is known to be counted. *repaired*: how many of the trades had been missed, and came in
    another way.
    """

    product_id: str
    start: datetime
    end: datetime
    volume: Decimal
    notional: Decimal
    vwap: Decimal | None
    count: int
    buy_volume: Decimal
    sell_volume: Decimal
    complete: bool
    repaired: int = 0


class VolumeSums(WindowAccumulator[VolumeWindow]):
    """The volumes of a window."""

    __slots__ = ("bought", "count", "notional", "sold")

    def __init__(self) -> None:
        super().__init__()
        self.bought = self.sold = self.notional = ZERO
        self.count = 0

    def _add(self, trades: list[Trade | PriorTrade]) -> None:
        bought, sold, notional = self.bought, self.sold, self.notional
        for match in trades:
            size = match.size
            if match.maker_side == "sell":
                bought += size
            else:
                sold += size
            notional += match.price * size
        self.bought, self.sold, self.notional = bought, sold, notional
        self.count += len(trades)

    def _merge(self, other: Self) -> None:
        self.bought += other.bought
        self.sold += other.sold
        self.notional += other.notional
        self.count += other.count

    def result(self, product_id: str, start: datetime, end: datetime, complete: bool) -> VolumeWindow:
        volume = EXACT.add(self.bought, self.sold)
        return VolumeWindow(
            product_id=product_id,
            start=start,
            end=end,
            volume=volume,
            notional=self.notional,
            vwap=quotient(self.notional, volume),
            count=self.count,
            buy_volume=self.bought,
            sell_volume=self.sold,
            complete=complete,
            repaired=self.repaired,
        )


class TumblingVolume(Windowing[VolumeWindow]):
    """Outputs a `VolumeWindow` per product and window of *seconds*: see `Windowing` for when, and `Late` for the rest.

    >>> from rxfeed import fold
    >>> from rxfeed.core import TumblingVolume
    >>> from rxfeed.testing import trade
    >>> [str(w.volume) for w in fold(TumblingVolume(60), [trade(time=0), trade(time=59), trade(time=60, size=3)])]
    ['2', '3']
    """

    __slots__ = ()

    def __init__(
        self, seconds: Seconds, lateness: Seconds = 0, empty: bool = False, *, max_ahead: Seconds | None = MAX_AHEAD
    ) -> None:
        super().__init__(Grid(seconds, lateness), VolumeSums, empty, max_ahead=max_ahead)
