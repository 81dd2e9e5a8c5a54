"""Candles of trades as texts: most trades become no message, and the numbers of a window are added at once.

Rules:
- Nearly every trade falls into the window of the trade before it. Such a trade changes the sums of its window and the
  highest id of its product, and nothing else. So it is only noted, and added when the window needs its sums.
- Any other trade, and a message that is no trade, is a step of the machine. So the results are those of `Candles`.
- At each step, the highest id of the product is that of all trades before it, and trades are added in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import mul

from rxfeed.core import Candle, CandlePrices, Candles, Late, exactly
from rxfeed.core.arguments import Seconds
from rxfeed.market import Message, Origin, Side, Trade, TradeText, microseconds, moment, stamp
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


class NotedPrices(CandlePrices):
    """The prices of a window, with trades that are *noted* and not added yet: each with its Unix microseconds."""

    __slots__ = ("noted",)

    def __init__(self, closes: dict[str, Decimal] | None = None) -> None:
        super().__init__(closes)
        self.noted: list[tuple[TradeText, int]] = []

    def gather(self, waiting: list[Trade]) -> None:
        super().gather(waiting)
        noted, self.noted = self.noted, []
        if noted:
            self._add_noted(noted)

    @exactly
    def _add_noted(self, noted: list[tuple[TradeText, int]]) -> None:
        prices = [Decimal(text.price) for text, _ in noted]
        sizes = [Decimal(text.size) for text, _ in noted]
        places = [(micros, text.trade_id) for text, micros in noted]
        sums = CandlePrices()
        sums.count = len(noted)
        sums.high, sums.low = max(prices), min(prices)
        sums.volume, sums.notional = sum(sizes), sum(map(mul, prices, sizes))
        first, last = places[0], places[-1]
        opened, closed = 0, len(places) - 1
        if places != sorted(places):
            first, last = min(places), max(places)
            opened, closed = places.index(first), len(places) - 1 - places[::-1].index(last)
        sums.open, sums.close = prices[opened], prices[closed]
        sums.first, sums.last = (moment(first[0]), first[1]), (moment(last[0]), last[1])
        self._merge(sums)


class _Run:
    """The trades of one product that the machine would only add: in [*start*, *end*), of *epoch* (as recorded)."""

    __slots__ = ("end", "epoch", "known", "noted", "start")

    def __init__(self, start: int, end: int, epoch: int, known: int, noted: list[tuple[TradeText, int]]) -> None:
        self.start, self.end, self.epoch, self.known, self.noted = start, end, epoch, known, noted


class TextCandles(Candles):
    """`Candles`, which take lines with texts, too."""

    __slots__ = ()

    def __init__(self, seconds: Seconds) -> None:
        super().__init__(seconds)
        self._accumulator = partial(NotedPrices, self._closes)

    def step_texts(
        self, lines: Iterable[TextLine], base: int, micros: Iterator[int], trade: type[NamedTrade]
    ) -> list[Candle | Late]:
        """The results of *lines*: trades as texts, and messages with their origins; other lines are skipped.

        *base* is added to the epochs of lines. *micros*: the event time of each trade, in Unix microseconds. *trade*:
        the class of trades.
        """
        runs: dict[str, _Run] = {}
        outputs: list[Candle | Late] = []
        accepted = tuple(self.accepts)
        noted_type: type[object] | None = None  # of the last trade that was noted: most are of this type
        for line in lines:
            text = line.frame
            if type(text) is noted_type or isinstance(text, TradeText):
                time, run = next(micros), runs.get(text.product_id)
                if run is not None and run.start <= time < run.end and line.epoch == run.epoch:
                    if text.trade_id > run.known:
                        run.known = text.trade_id
                    run.noted.append((text, time))
                    noted_type = type(text)
                    continue
                made = trade(
                    product_id=text.product_id,
                    trade_id=text.trade_id,
                    price=Decimal(text.price),
                    size=Decimal(text.size),
                    time=moment(time),
                    taker_side="buy" if text.maker_side == "sell" else "sell",
                )
                self._add_all(text.product_id)
                outputs += self._step(runs, base, stamp(made, Origin(b"", line.ns, line.epoch + base)))
            elif isinstance(text, accepted):
                outputs += self._step(runs, base, text)
        for product_id, run in runs.items():
            product = self._products[product_id]
            product.known = max(product.known, run.known)
            self._add_all(product_id)
        return outputs

    def _step(self, runs: dict[str, _Run], base: int, message: Message) -> Sequence[Candle | Late]:
        """A step of the machine, and the run of the product after it."""
        product_id = message.product_id
        assert product_id is not None
        if product_id in runs:
            product = self._products[product_id]
            product.known = max(product.known, runs[product_id].known)
        outputs = self.step(message)
        product = self._products.get(product_id)
        if product is not None:
            start, end = microseconds(product.start), microseconds(product.end)
            noted: list[tuple[TradeText, int]] = product.window.noted if start < end else []
            runs[product_id] = _Run(start, end, product.epoch - base, product.known, noted)
        return outputs

    def _add_all(self, product_id: str) -> None:
        """Add the trades that are noted for *product_id*, and those that wait."""
        product = self._products.get(product_id)
        for window in () if product is None else product.windows.values():
            window.gather(window.waiting)
