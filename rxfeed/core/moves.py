"""Detects a price that moves far in a short time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from rxfeed.core.arguments import Seconds, positive, positive_span
from rxfeed.core.completeness import earlier
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.numbers import EXACT, ROUNDED
from rxfeed.core.quotes import EpochCounter, Priced, price_of
from rxfeed.core.result import Result
from rxfeed.core.sliding_min_max import Price, SlidingMinMax
from rxfeed.market import Message, PriorTrade, Ticker, Trade

_HUNDRED = Decimal(100)


class PriceMove(Result, frozen=True, gc=False):
    """A price went from *before*, its value since *since*, to *price* at *time*: signed *percent*, to 28 digits.

    *spans_gap*: messages between the two were missed.
    """

    product_id: str
    direction: Literal["up", "down"]
    percent: Decimal
    before: Decimal
    price: Decimal
    since: datetime
    time: datetime
    spans_gap: bool = False


class _Seen(msgspec.Struct, frozen=True, gc=False):
    price: Decimal
    time: datetime
    breaks: int


class _PriceExtremes:
    __slots__ = ("breaks", "newest", "prices")

    def __init__(self) -> None:
        self.breaks = EpochCounter()
        self.newest: _Seen | None = None
        self.prices: SlidingMinMax[_Seen] = SlidingMinMax()


class PriceMoves:
    """Outputs a `PriceMove` when a product's price is *percent* or more from one that held *within* seconds before.

    A price is valid until the next one: after a quiet hour a sudden move counts from the price of an hour ago. Each
    price is compared with the lowest and the highest. After an output the comparison begins with the new price, so that
    one move is output once. A price is skipped if it has no time, is not above zero, is older than the newest, or is
    dated more than *max_ahead* seconds after its receipt (see `EventClock`). Amortised O(1) a message; memory grows
    with the products, and with the prices of the last *within* seconds that are a minimum or maximum since then.

    >>> from rxfeed import fold
    >>> from rxfeed.core import PriceMoves
    >>> from rxfeed.testing import ticker
    >>> prices = [ticker(100, time=0), ticker(104, time=1), ticker(105, time=2)]
    >>> [str(move.percent) for move in fold(PriceMoves(5, 60), prices)]
    ['5']
    """

    __slots__ = ("_percent", "_products", "_within", "clock")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade, Ticker))

    def __init__(self, percent: Decimal | str | int, within: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self._percent = positive("percent", percent)
        self._within = positive_span("within", within)
        self._products: dict[str, _PriceExtremes] = {}

    def step(self, item: Priced) -> tuple[PriceMove, ...]:
        product_id = item.product_id
        price, time = price_of(item), item.time
        if product_id is None:
            return ()
        product = self._products.get(product_id)
        if product is None:
            product = self._products[product_id] = _PriceExtremes()
        now = product.breaks.see(item)
        before = product.newest
        if price is None or time is None or (before is not None and time < before.time):
            return ()
        if time > self.clock.limit and self.clock.is_ahead(item, time):
            return ()
        product.newest = newest = _Seen(price, time, now)
        if before is None:
            return ()
        move = self._move(product.prices.push(before.price, time, before, earlier(time, self._within)), newest)
        if move is None:
            return ()
        product.prices.clear()
        return (self._result(product_id, move, newest),)

    def finish(self) -> tuple[PriceMove, ...]:
        self._products = {}
        return ()

    def _move(self, extremes: tuple[Price[_Seen], Price[_Seen]], newest: _Seen) -> _Seen | None:
        """The price at which the move began; the lowest one if there are two."""
        for extreme in extremes:
            change = EXACT.subtract(newest.price, extreme.price).copy_abs()
            if EXACT.multiply(change, _HUNDRED) >= EXACT.multiply(self._percent, extreme.price):
                return extreme.tag
        return None

    def _result(self, product_id: str, before: _Seen, newest: _Seen) -> PriceMove:
        change = EXACT.subtract(newest.price, before.price)
        return PriceMove(
            product_id=product_id,
            direction="up" if change > 0 else "down",
            percent=ROUNDED.divide(EXACT.multiply(change, _HUNDRED), before.price),
            before=before.price,
            price=newest.price,
            since=before.time,
            time=newest.time,
            spans_gap=before.breaks != newest.breaks,
        )
