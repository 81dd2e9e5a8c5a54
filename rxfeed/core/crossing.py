"""Detects a price that moves across a level."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

from rxfeed.core.arguments import not_negative, positive, product
from rxfeed.core.numbers import EXACT, ZERO
from rxfeed.core.quotes import HAS_PRICE, EpochCounter, Priced, price_of
from rxfeed.core.result import Result
from rxfeed.market import Message, PriorTrade, Ticker, Trade


class PriceCross(Result, frozen=True, gc=False):
    """A price went from *before*, on one side of *level*, to *price*, on the other, at *time*.

    *spans_gap*: messages between the two were missed, so the level may have been crossed more than once.
    """

    product_id: str
    level: Decimal
    direction: Literal["up", "down"]
    before: Decimal
    price: Decimal
    time: datetime | None
    spans_gap: bool = False


class PriceCrossing:
    """Outputs a `PriceCross` whenever *product_id*'s price (of tickers, trades or a book's mid) moves across *level*.

    A price within *hysteresis* of the level, both ends included, is on neither side: at 0, 9, 10, 9 crosses nothing and
    9, 10, 11 crosses 10 once, at 11, so directions always alternate. *once*: only the first is output. `last_match`
    counts as the price before, never as a trade. A price that is not above zero is skipped, and no *level* may be
    so (`rxfeed.core.quotes` has what to do for products with such prices). O(1) a message.
    """

    __slots__ = (
        "_before",
        "_break",
        "_breaks",
        "_calm",
        "_high",
        "_low",
        "_once",
        "_over",
        "_rest",
        "_side",
        "level",
        "product_id",
    )

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((Trade, PriorTrade, Ticker))

    def __init__(
        self,
        product_id: str,
        level: Decimal | str | int,
        *,
        hysteresis: Decimal | str | int = 0,
        once: bool = False,
    ) -> None:
        self.product_id = product(product_id)
        self.level = positive("level", level)
        band = not_negative("hysteresis", hysteresis)
        self._low, self._high = EXACT.subtract(self.level, band), EXACT.add(self.level, band)
        self._once, self._over = once, False
        self._side = 0
        self._before = self.level
        self._breaks, self._break = EpochCounter(), 0
        self._calm: int | None = None  # the epoch in which nothing was missed since *before*
        self._rest: Callable[[Priced], object] = self._look

    def receiver(self, rest: Callable[[Priced], None]) -> Callable[[Trade | PriorTrade | Ticker], None]:
        """As `Receiving.receiver`: for messages of *product_id*."""
        self._rest = rest
        return self._receive

    def _receive(self, priced: Trade | PriorTrade | Ticker) -> None:
        origin = priced._origin  # pyright: ignore[reportPrivateUsage]  # as in `step`
        price = priced.price
        if (0 if origin is None else origin.epoch) == self._calm and (
            price > self._high if self._side > 0 else ZERO < price < self._low
        ):
            self._before = price
        else:
            self._rest(priced)

    def step(self, item: Priced) -> tuple[PriceCross, ...]:
        if item.product_id != self.product_id:
            return ()
        if HAS_PRICE[type(item)]:
            priced: Trade | Ticker = item  # pyright: ignore[reportAssignmentType]  # by the table
            # `item.epoch`, without the call that a property is: a fifth of the step.
            origin = priced._origin  # pyright: ignore[reportPrivateUsage]  # as above
            price, calm = priced.price, (0 if origin is None else origin.epoch) == self._calm
            # Nearly every price is on the side of the one before it.
            if calm and (price > self._high if self._side > 0 else ZERO < price < self._low):
                self._before = price
                return ()
        return self._look(item)

    def _look(self, item: Priced) -> tuple[PriceCross, ...]:
        if self._over:
            return ()
        self._calm = None
        now = self._breaks.see(item)
        price = price_of(item)
        if price is None or self._low <= price <= self._high:
            return ()
        self._calm = getattr(item, "epoch", None)
        side = 1 if price > self._high else -1
        crossed, spans_gap, before = self._side == -side, now != self._break, self._before
        self._side, self._before, self._break = side, price, now
        if not crossed:
            return ()
        if self._once:
            self._over, self._calm = True, None
        direction = "up" if side > 0 else "down"
        return (PriceCross(self.product_id, self.level, direction, before, price, item.time, spans_gap),)

    def finish(self) -> tuple[PriceCross, ...]:
        return ()
