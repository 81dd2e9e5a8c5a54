"""Candles of trades as texts: most trades become no message, and the numbers of a window are added at once.

Rules:
- Nearly every trade falls into the window of the trade before it. Such a trade changes the sums of its window and the
  highest id of its product, and nothing else. So it is only noted, and added when the window needs its sums.
- Any other trade, and a message that is no trade, is a step of the machine. So the results are those of `Candles`.
- At each step, the highest id of the product is that of all trades before it, and trades are added in their order.
"""

# pyright: reportIncompatibleMethodOverride=false, reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import mul
from typing import Any, NamedTuple

from rxfeed.core import Candle, CandlePrices, Candles, Late, exactly
from rxfeed.market import Message, Origin, PriorTrade, Side, Trade, TradeText, microseconds, moment, stamp
from rxfeed.recording import TextLine


class NamedTrade(Trade, frozen=True, kw_only=True, gc=False):
    """A trade of a `TradeText`."""

    product_id: str
    trade_id: int
    price: Decimal
    size: Decimal
    time: datetime
    taker_side: Side


class ConsecutiveTrade(NamedTrade, frozen=True, kw_only=True, gc=False):
    """The same, of a venue with consecutive ids."""

    ids_are_consecutive = True


class TradeNumbers(NamedTuple):
    """Of each trade the Unix nanoseconds of its event time, and price and size, in units of the last of *places*."""

    times: Sequence[int]
    prices: Sequence[int]
    sizes: Sequence[int]
    places: int


Noted = tuple[int, int, int, int]
"""A trade: the Unix nanoseconds of its event time, its id, price and size, as in `TradeNumbers`."""


class NotedPrices(CandlePrices):
    """The prices of a window, with trades that are *noted* and not added yet; their numbers have so many *places*."""

    __slots__ = ("noted", "places")

    def __init__(self, closes: dict[str, Decimal] | None = None) -> None:
        super().__init__(closes)
        self.noted: list[Noted] = []
        self.places = 0

    def gather(self, waiting: list[Trade | PriorTrade]) -> None:
        super().gather(waiting)
        noted, self.noted = self.noted, []
        if noted:
            self._add_noted(noted)

    @exactly
    def _add_noted(self, noted: list[Noted]) -> None:
        times, ids, prices, sizes = zip(*noted, strict=True)
        opened, closed = 0, len(noted) - 1
        if [*times] != sorted(times) or [*ids] != sorted(ids):
            keys = [*zip(times, ids, strict=True)]
            opened, closed = keys.index(min(keys)), closed - keys[::-1].index(max(keys))
        places = self.places
        sums = type(self)()
        sums.count = len(noted)
        sums.open, sums.close = _decimal(prices[opened], places), _decimal(prices[closed], places)
        sums.high, sums.low = _decimal(max(prices), places), _decimal(min(prices), places)
        sums.volume = _decimal(sum(sizes), places)
        sums.notional = _decimal(sum(map(mul, prices, sizes)), 2 * places)
        sums.first, sums.last = ((moment(times[each] // 1000), ids[each]) for each in (opened, closed))
        self._merge(sums)


def _decimal(number: int, places: int) -> Decimal:
    return Decimal(number).scaleb(-places)


class _Run:
    """The trades of one product that the machine would only add: in [*start*, *end*), of *epoch* (as recorded)."""

    __slots__ = ("end", "epoch", "known", "noted", "start")

    def __init__(self, start: int, end: int, epoch: int, known: int, noted: list[Noted]) -> None:
        self.start, self.end, self.epoch, self.known, self.noted = start, end, epoch, known, noted


class TextCandles(Candles):
    """`Candles`, which take lines with texts, too."""

    __slots__ = ()

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self._accumulator = partial(NotedPrices, self._closes)

    def step_texts(
        self, lines: Iterable[TextLine], base: int, numbers: TradeNumbers, trade: type[NamedTrade]
    ) -> list[Candle | Late]:
        """The results of *lines*: trades as texts, and messages with their origins; other lines are skipped.

        *base* is added to the epochs of lines. *numbers*: those of the trades. *trade*: the class of trades.
        """
        each_trade = zip(numbers.times, numbers.prices, numbers.sizes, strict=True)
        runs: dict[str, _Run] = {}
        outputs: list[Candle | Late] = []
        accepted = tuple(self.accepts)
        noted_type: type[object] | None = None  # of the last trade that was noted: most are of this type
        for line in lines:
            text = line.frame
            if type(text) is noted_type or isinstance(text, TradeText):
                time, price, size = next(each_trade)
                run = runs.get(text.product_id)
                if run is not None and run.start <= time < run.end and line.epoch == run.epoch:
                    if text.trade_id > run.known:
                        run.known = text.trade_id
                    run.noted.append((time, text.trade_id, price, size))
                    noted_type = type(text)
                    continue
                made = trade(
                    product_id=text.product_id,
                    trade_id=text.trade_id,
                    price=Decimal(text.price),
                    size=Decimal(text.size),
                    time=moment(time // 1000),
                    taker_side="buy" if text.maker_side == "sell" else "sell",
                )
                self._add_all(text.product_id)
                origin = Origin(b"", line.ns, line.epoch + base)
                outputs += self._step(runs, base, stamp(made, origin), numbers.places)
            elif isinstance(text, accepted):
                if isinstance(text, PriorTrade):  # it may be added, after the trades before it
                    self._add_all(text.product_id)
                outputs += self._step(runs, base, text, numbers.places)
        for product_id, run in runs.items():
            product = self._products[product_id]
            product.known = max(product.known, run.known)
            self._add_all(product_id)
        return outputs

    def _step(self, runs: dict[str, _Run], base: int, message: Message, places: int) -> Sequence[Candle | Late]:
        """A step of the machine, and the run of the product after it."""
        product_id = message.product_id
        assert product_id is not None
        if product_id in runs:
            product = self._products[product_id]
            product.known = max(product.known, runs[product_id].known)
        outputs = self.step(message)
        product = self._products.get(product_id)
        if product is not None:
            start, end, noted = 1000 * microseconds(product.start), 1000 * microseconds(product.end), list[Noted]()
            if start < end:
                window: Any = product.window
                noted, window.places = window.noted, places
            runs[product_id] = _Run(start, end, product.epoch - base, product.known, noted)
        return outputs

    def _add_all(self, product_id: str) -> None:
        """Add the trades that are noted for *product_id*, and those that wait."""
        product = self._products.get(product_id)
        for window in () if product is None else product.windows.values():
            window.gather(window.waiting)
