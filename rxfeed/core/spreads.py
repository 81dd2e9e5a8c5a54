"""Detects a spread that becomes wider than a limit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from rxfeed.core.arguments import not_negative
from rxfeed.core.numbers import EXACT, ROUNDED
from rxfeed.core.quotes import EpochCounter, Priced, quote_of
from rxfeed.core.result import Result
from rxfeed.errors import ConfigError
from rxfeed.market import Message, Ticker

_HALF_HUNDREDTH = Decimal("0.005")


class WideSpread(Result, frozen=True, gc=False):
    """The *spread*, *best_ask* less *best_bid*, became wider than the limit at *time*; *percent* of the mid.

    *spans_gap*: messages since the quote before it were missed.
    """

    product_id: str
    best_bid: Decimal
    best_ask: Decimal
    spread: Decimal
    percent: Decimal
    time: datetime | None
    spans_gap: bool = False


class _SpreadState:
    __slots__ = ("break_", "breaks", "wide")

    def __init__(self) -> None:
        self.breaks = EpochCounter()
        self.break_: int | None = None  # of the quote before
        self.wide = False


class SpreadWidening:
    """Outputs a `WideSpread` when a product's spread, of tickers or of a book, becomes wider than *than*.

    *than* and *hysteresis* are in the quote currency, or with *percent* in percent of the mid. Once wide, it is output
    again only after the spread was *than* less *hysteresis* or narrower. One that is wide in the first quote is output.
    A quote with an empty side, or with a price that is not above zero, is skipped. *once*: only the first of each
    product is output. O(1) a message; memory grows with the number of products.

    >>> from decimal import Decimal
    >>> from rxfeed import fold
    >>> from rxfeed.core import SpreadWidening
    >>> from rxfeed.testing import ticker
    >>> quotes = [ticker(10, best_bid=Decimal(9), best_ask=Decimal(each)) for each in (10, 12, 13, 10, 12)]
    >>> [str(w.best_ask) for w in fold(SpreadWidening(2), quotes)]
    ['12', '12']
    """

    __slots__ = ("_back", "_once", "_percent", "_products", "_than")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Ticker,))

    def __init__(
        self,
        than: Decimal | str | int,
        *,
        percent: bool = False,
        hysteresis: Decimal | str | int = 0,
        once: bool = False,
    ) -> None:
        self._than = not_negative("than", than)
        self._back = EXACT.subtract(self._than, not_negative("hysteresis", hysteresis))
        if self._back < 0:
            raise ConfigError(f"hysteresis: {hysteresis!r} is more than {than!r}: no spread is so narrow")
        self._percent, self._once = percent, once
        self._products: dict[str, _SpreadState] = {}

    def step(self, item: Priced) -> tuple[WideSpread, ...]:
        product_id = item.product_id
        if product_id is None or (isinstance(item, Message) and not isinstance(item, Ticker)):
            return ()
        product = self._products.get(product_id)
        if product is None:
            product = self._products[product_id] = _SpreadState()
        now = product.breaks.see(item)
        quote = quote_of(item)
        if quote is None:
            return ()
        bid, ask = quote
        spread = EXACT.subtract(ask, bid)
        # Both sides of the comparison are multiplied by the mid, since a quotient is not exact.
        unit = EXACT.multiply(EXACT.add(bid, ask), _HALF_HUNDREDTH) if self._percent else Decimal(1)
        spans_gap, product.break_ = product.break_ not in (None, now), now
        if product.wide:
            product.wide = self._once or spread > EXACT.multiply(self._back, unit)
            return ()
        if spread <= EXACT.multiply(self._than, unit):
            return ()
        product.wide = True
        percent = ROUNDED.divide(spread, EXACT.multiply(EXACT.add(bid, ask), _HALF_HUNDREDTH))
        return (WideSpread(product_id, bid, ask, spread, percent, item.time, spans_gap),)

    def finish(self) -> tuple[WideSpread, ...]:
        self._products = {}
        return ()
