"""The trades and candles of each product: those of the market, and before its start those that were made up."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from rxfeed.core.matching import (
    MICROSECONDS,
    SIZE_UNIT,
    MatchEvent,
    MatchingEngine,
    Product,
    Side,
    size_text,
    time_text,
)

KEPT = 50_000  # trades of the market, for each product
PRIOR = 3_000  # trades before the market's start
PAUSE = 45.0  # seconds between two of them, in the mean; so they are more than 350 candles of 5 minutes
WALK = 2e-4  # standard deviation of the relative change of the price from one to the next
NOTIONAL = 2_000.0  # mean value, in quote currency
MINUTE = 60


class PastTrade(NamedTuple):
    """A trade; `side` is the maker's."""

    trade_id: int
    side: Side
    price: str
    size: str
    time: str
    micros: int


class TradedSpan(NamedTuple):
    """The trades of a time span that begins at *start*; prices and volume are counts of the product's increments."""

    start: int
    low: int
    high: int
    open: int
    close: int
    volume: int

    def then(self, later: TradedSpan) -> TradedSpan:
        """This candle with the trades of a *later* one of the same span."""
        return TradedSpan(
            self.start,
            min(self.low, later.low),
            max(self.high, later.high),
            self.open,
            later.close,
            self.volume + later.volume,
        )


class ProductHistory:
    """The history of one product, from the first trade of its *engine* on; *prior*: with made-up trades before it."""

    def __init__(self, engine: MatchingEngine, micros: int, *, prior: bool = True) -> None:
        self.product = engine.product
        self._trades: deque[PastTrade] = deque(maxlen=KEPT)
        self._minutes: dict[int, TradedSpan] = {}
        self._prior: list[PastTrade] | None = None if prior else []
        self._prior_minutes: dict[int, TradedSpan] = {}
        assert engine.last_match is not None
        self.first = self.add(engine.last_match, micros)

    def add(self, match: MatchEvent, micros: int) -> PastTrade:
        """Keep a trade of the time *micros*."""
        trade = PastTrade(match.trade_id, match.side, match.price, match.size, match.time, micros)
        self._trades.append(trade)
        _collect(self._minutes, self.product, trade)
        return trade

    def newest_first(self, before: int | None = None) -> Iterator[PastTrade]:
        """The trades with an id less than *before*, back to the oldest that is kept."""
        oldest = self._trades[0].trade_id
        skipped = 0 if before is None else max(0, self._trades[-1].trade_id + 1 - before)
        trades = islice(reversed(self._trades), min(skipped, len(self._trades)), None)
        if oldest != self.first.trade_id:
            return trades
        prior = self._before_the_start()
        skipped = 0 if before is None else max(0, self.first.trade_id - before)
        return chain(trades, islice(prior, skipped, None))

    def candles(self, seconds: int, start: int | None = None, end: int | None = None) -> list[TradedSpan]:
        """The candles of so many *seconds* that begin from *start* to *end*, in Unix seconds, and have a trade."""
        self._before_the_start()
        found: dict[int, TradedSpan] = {}
        minutes = chain(self._prior_minutes.values(), sorted(self._minutes.values()))
        for minute in minutes:
            begin = minute.start - minute.start % seconds
            if (start is not None and begin < start) or (end is not None and begin > end):
                continue
            candle = minute._replace(start=begin)
            found[begin] = found[begin].then(candle) if begin in found else candle
        return [found[begin] for begin in sorted(found)]

    def candle(self, seconds: int, start: int) -> TradedSpan | None:
        """The candle that begins at *start*, if there is a trade in it."""
        minutes = (self._minutes.get(minute) for minute in range(start, start + seconds, MINUTE))
        return self._joined(start, (minute for minute in minutes if minute is not None))

    def _joined(self, begin: int, minutes: Iterable[TradedSpan]) -> TradedSpan | None:
        prior = [self._prior_minutes[minute] for minute in self._overlap(begin)]
        joined: TradedSpan | None = None
        for minute in chain(prior, minutes):
            joined = minute._replace(start=begin) if joined is None else joined.then(minute)
        return joined

    def _overlap(self, begin: int) -> list[int]:
        """The minutes of the span of the market's start that have made-up trades."""
        self._before_the_start()
        if begin > self.first.micros // MICROSECONDS:
            return []
        minutes = list(self._prior_minutes)
        return minutes[bisect_left(minutes, begin) :]

    def _before_the_start(self) -> list[PastTrade]:
        """Made-up trades before the market's first one, newest first; the same for the same first trade."""
        if self._prior is None:
            self._prior = list(_made_up(self.product, self.first))
            for trade in reversed(self._prior):
                _collect(self._prior_minutes, self.product, trade)
        return self._prior


def _made_up(product: Product, first: PastTrade) -> Iterator[PastTrade]:
    dice = random.Random(f"{product.product_id}/{first.trade_id}")
    price = float(product.price_of(first.price))
    micros = first.micros
    for back in range(1, min(PRIOR, first.trade_id - 1) + 1):
        price *= math.exp(dice.gauss(0.0, WALK))
        micros -= 1 + int(dice.expovariate(1 / PAUSE) * MICROSECONDS)
        count = max(1, round(price))
        size = 1 + int(dice.expovariate(1 / NOTIONAL) / count * 10**product.decimals * SIZE_UNIT)
        side: Side = "buy" if dice.random() < 0.5 else "sell"
        yield PastTrade(
            first.trade_id - back, side, product.price_text(count), size_text(size), time_text(micros), micros
        )


def _collect(minutes: dict[int, TradedSpan], product: Product, trade: PastTrade) -> None:
    start = trade.micros // MICROSECONDS // MINUTE * MINUTE
    price, size = product.price_of(trade.price), product.price_of(trade.size)
    candle = TradedSpan(start, price, price, price, price, size)
    known = minutes.get(start)
    minutes[start] = candle if known is None else known.then(candle)


class MarketHistory:
    """The history of each product of these *engines*, which have one trade each, of the time *micros*."""

    def __init__(self, engines: Iterable[MatchingEngine], micros: int) -> None:
        self.of = {engine.product.product_id: ProductHistory(engine, micros) for engine in engines}

    def add(self, match: MatchEvent, micros: int) -> None:
        """Keep a trade."""
        self.of[match.product_id].add(match, micros)
