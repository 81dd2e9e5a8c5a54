"""The book by price, and the auctions that interrupt it."""

# Types narrow the base's optional fields to required ones; with keyword-only fields no order is broken by that.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from decimal import Decimal

from rxfeed.market.message import Level, Message, Side, Time


class BookSnapshot(Message, frozen=True, kw_only=True, gc=False):
    """The whole book by price, best first on each side."""

    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class BookUpdate(Message, frozen=True, kw_only=True, gc=False):
    """Changes `(side, price, size)` to the book: *size* is the new total there, zero removes the price."""

    product_id: str
    changes: tuple[tuple[Side, Decimal, Decimal], ...]


class Auction(Message, frozen=True, kw_only=True, gc=False):
    """The state of an auction."""

    product_id: str
    time: Time

    @property
    def collecting(self) -> bool:
        """True until the auction is complete: the book may be crossed."""
        raise NotImplementedError(f"{type(self).__name__} has no collecting")
