"""The price that a ticker, a trade or a book has.

A price that is not above zero is none: an exchange sends 0 where there was no trade, or no quote. So signals ignore a
product (for example a spread between two others) while its price is below zero: compare its prices in a pipeline of
your own, such as `feed.pipe(matches("A-B"), ops.map(lambda match: match.price))`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from rxfeed.core.by_type import ByType
from rxfeed.core.numbers import EXACT, ZERO
from rxfeed.market import Level, Message, PriorTrade, Ticker, Trade

_HALF = Decimal("0.5")
PRICED = (Ticker, Trade, PriorTrade)
"""The messages that have a price."""
HAS_PRICE: ByType[bool] = ByType({object: False, **dict.fromkeys(PRICED, True)})
"""By type: True for those and their subclasses. A look-up is faster than to test for a subclass."""


class QuotedBook(Protocol):
    """A book as it is at a *time*; where it is not *ready* its prices say nothing."""

    @property
    def product_id(self) -> str: ...
    @property
    def time(self) -> datetime | None: ...
    @property
    def ready(self) -> bool: ...
    @property
    def best_bid(self) -> Level | None: ...
    @property
    def best_ask(self) -> Level | None: ...


Priced = Message | QuotedBook
"""What a signal can look at: messages (it takes the tickers and trades), or the views that a book puts out."""


def price_of(item: Priced) -> Decimal | None:
    """The price of a ticker or a trade, the mid of a book; `None` where there is none above zero."""
    if HAS_PRICE[type(item)]:
        priced: Any = item
        return priced.price if priced.price > ZERO else None
    quote = quote_of(item)
    return None if quote is None else EXACT.multiply(EXACT.add(*quote), _HALF)


def quote_of(item: Priced) -> tuple[Decimal, Decimal] | None:
    """The best bid and ask of a ticker or a book; `None` unless there are both, above zero."""
    if isinstance(item, Message):
        bid, ask = (item.best_bid, item.best_ask) if isinstance(item, Ticker) else (None, None)
    elif item.ready and item.best_bid is not None and item.best_ask is not None:
        bid, ask = item.best_bid[0], item.best_ask[0]
    else:
        return None
    # A ticker of an empty side has 0.
    return (bid, ask) if bid is not None and ask is not None and bid > ZERO and ask > ZERO else None


class Breaks:
    """Counts the breaks of one product: a number that stays the same as long as nothing was missed."""

    __slots__ = ("_epoch", "count")

    def __init__(self) -> None:
        self.count = 0
        self._epoch: int | None = None

    def see(self, item: Priced) -> int:
        epoch: int | None = getattr(item, "epoch", None)
        if epoch is None:  # a book has none: after a break it says that it is not ready
            self.count += not getattr(item, "ready", True)
        elif epoch != self._epoch:
            self.count += self._epoch is not None
            self._epoch = epoch
        return self.count
