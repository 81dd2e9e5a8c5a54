"""The price of a ticker, a trade or a book.

A price that is not above zero is treated as missing: an exchange sends 0 if there was no trade, or no quote. So signals
ignore a product (for example a spread between two others) while its price is below zero. To compare such prices, use
the messages themselves: `feed.pipe(matches("A-B"), ops.map(lambda match: match.price))`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol

from rxfeed.core.by_type import ByType
from rxfeed.core.numbers import EXACT, ZERO
from rxfeed.market import Level, Message, PriorTrade, Ticker, Trade

_HALF = Decimal("0.5")
PRICED = (Ticker, Trade, PriorTrade)
"""The messages that have a price."""
HAS_PRICE: ByType[bool] = ByType({object: False, **dict.fromkeys((Ticker, Trade), True)})
"""By type: True for those that are always new. A look-up is faster than to test for a subclass."""


class QuotedBook(Protocol):
    """The state of a book at a *time*. If it is not *ready*, its prices are not valid."""

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
"""The inputs of a signal: messages (it uses tickers and trades), or the views that a book outputs."""


def price_of(item: Priced) -> Decimal | None:
    """The price of a ticker or a trade, the mid of a book; `None` if there is none above zero, or it is a past one."""
    if HAS_PRICE[type(item)]:
        priced: Trade | Ticker = item  # pyright: ignore[reportAssignmentType]  # by the table
        return priced.price if priced.price > ZERO else None
    if isinstance(item, PriorTrade):  # those of a backfill may come after newer prices
        return item.price if item.price > ZERO and not item.backfilled else None
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


class EpochCounter:
    """Counts the interruptions of one product. The count is constant as long as no message was missed.

    A higher epoch than before shows an interruption. A lower one is of another kind of message (see `epochs.py`).
    """

    __slots__ = ("count", "highest")

    def __init__(self) -> None:
        self.count = 0
        self.highest: int | None = None

    def see(self, item: Priced) -> int:
        epoch: int | None = getattr(item, "epoch", None)
        if epoch is None:  # a book view has no epoch; after a gap a view that is not ready comes
            self.count += not getattr(item, "ready", True)
        elif self.highest is None or epoch > self.highest:
            self.count += self.highest is not None
            self.highest = epoch
        return self.count
