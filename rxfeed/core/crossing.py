"""When a price moves across a level."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from rxfeed.core.numbers import decimal
from rxfeed.errors import ConfigError
from rxfeed.messages import LastMatch, Match, Message, Ticker


class PriceCross(msgspec.Struct, frozen=True, gc=False):
    """A price went from *before*, on one side of *level*, to *price*, on the other, at *time*.

    *spans_gap*: something was missed between the two, so that the level may have been crossed more than this once.
    """

    product_id: str
    level: Decimal
    direction: Literal["up", "down"]
    before: Decimal
    price: Decimal
    time: datetime | None
    spans_gap: bool = False


class PriceCrossing:
    """Outputs a `PriceCross` whenever *product_id*'s price (of tickers and trades) moves across *level*.

    A price that only touches the level is on neither side: 9, 10, 9 crosses nothing, 9, 10, 11 crosses once, at 11, so
    directions always alternate. `last_match` counts as the price before, never as a trade. O(1) a message.
    """

    __slots__ = ("_before", "_epoch", "_side", "level", "product_id")

    looks_at: ClassVar[frozenset[type[Message]]] = frozenset((Match, LastMatch, Ticker))

    def __init__(self, product_id: str, level: Decimal | str | int) -> None:
        if not isinstance(product_id, str) or not product_id:
            raise ConfigError(f"product_id: {product_id!r} names no product")
        self.product_id = product_id
        self.level = decimal("level", level)
        self._side = 0
        self._before = self.level
        self._epoch = 0

    def step(self, message: Message) -> tuple[PriceCross, ...]:
        if message.product_id != self.product_id or not isinstance(message, Match | LastMatch | Ticker):
            return ()
        price = message.price
        if price == self.level:
            return ()
        side = 1 if price > self.level else -1
        crossed, spans_gap = self._side == -side, message.epoch != self._epoch
        before = self._before
        self._side, self._before, self._epoch = side, price, message.epoch
        if not crossed:
            return ()
        direction = "up" if side > 0 else "down"
        return (PriceCross(self.product_id, self.level, direction, before, price, message.time, spans_gap),)

    def finish(self) -> tuple[PriceCross, ...]:
        return ()
