"""Detects a price that moves far in a short time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from rxfeed.core.arguments import Seconds, positive, positive_span
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.numbers import EXACT, ROUNDED, ZERO
from rxfeed.core.quotes import HAS_PRICE, EpochCounter, Priced, price_of
from rxfeed.core.result import Result
from rxfeed.core.sliding_min_max import SlidingMinMax
from rxfeed.market import FIRST, Message, PriorTrade, Ticker, Trade

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


class _Seen(msgspec.Struct, gc=False):
    """A *price* of *time*, which counts *until* the next one comes; *breaks*: the interruptions before it."""

    price: Decimal
    time: datetime
    breaks: int
    until: datetime


class _PriceExtremes:
    """The prices of a product. A price from *rise* up, or from *fall* down, is a move from *low* or from *high*.

    An item of *epoch* shows no interruption.
    """

    __slots__ = ("breaks", "epoch", "fall", "high", "low", "newest", "prices", "rise")

    def __init__(self) -> None:
        self.breaks = EpochCounter()
        self.epoch: int | None = None
        self.newest: _Seen | None = None
        self.prices: SlidingMinMax[_Seen] = SlidingMinMax()
        self.low: _Seen | None = None
        self.high: _Seen | None = None
        self.rise = self.fall = ZERO


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

    __slots__ = ("_down", "_percent", "_products", "_up", "_within", "clock")

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade, Ticker))

    def __init__(self, percent: Decimal | str | int, within: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self._percent = positive("percent", percent)
        part = EXACT.scaleb(self._percent, -2)
        self._up, self._down = EXACT.add(1, part), EXACT.subtract(1, part)
        self._within = positive_span("within", within)
        self._products: dict[str, _PriceExtremes] = {}

    def step(self, item: Priced) -> tuple[PriceMove, ...]:
        product_id, time = item.product_id, item.time
        if product_id is None:
            return ()
        product = self._products.get(product_id)
        if product is None:
            product = self._products[product_id] = _PriceExtremes()
        if HAS_PRICE[type(item)]:
            priced: Trade | PriorTrade | Ticker = item  # pyright: ignore[reportAssignmentType]  # by the table
            origin = priced._origin  # pyright: ignore[reportPrivateUsage]  # `epoch`, without the call that it is
            epoch = 0 if origin is None else origin.epoch
            if epoch != product.epoch:
                product.breaks.see(item)
                product.epoch = product.breaks.highest
            price = priced.price
        else:
            product.breaks.see(item)
            price = price_of(item)
        before = product.newest
        if price is None or price <= ZERO or time is None or (before is not None and time < before.time):
            return ()
        if time > self.clock.limit and self.clock.is_ahead(item, time):
            return ()
        product.newest = newest = _Seen(price, time, product.breaks.count, time)
        if before is None:
            return ()
        before.until = time
        try:  # `earlier`, without its call
            since = time - self._within
        except OverflowError:
            since = FIRST
        low, high = product.prices.push(before, since)
        # Most prices change neither extreme, and are between the two limits: two comparisons, and no new number.
        if low is not product.low:
            product.low, product.rise = low, EXACT.multiply(low.price, self._up)
        if high is not product.high:
            product.high, product.fall = high, EXACT.multiply(high.price, self._down)
        if product.fall < price < product.rise:
            return ()
        # At a move from both it is one from the lowest price. Below it that is a fall of as many percent.
        below = EXACT.multiply(low.price, self._down)
        move = low if price >= product.rise or price <= below else high
        product.prices.clear()
        return (self._result(product_id, move, newest),)

    def finish(self) -> tuple[PriceMove, ...]:
        self._products = {}
        return ()

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
