"""The events of orders in a `PaperMarket`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from rxfeed.core import Result
from rxfeed.market import Side

Reason = Literal["filled", "canceled", "gap", "crossed", "post_only", "self_trade"]


class PaperOpen(Result, frozen=True, gc=False):
    """An order rests on the book with *remaining*, behind all orders that were at its price at *time*."""

    product_id: str
    order_id: str
    side: Side
    price: Decimal
    remaining: Decimal
    time: datetime


class PaperFill(Result, frozen=True, gc=False):
    """*size* of an order traded at *price*, and *remaining* is left; *fee* in the quote currency.

    *maker*: the order rested on the book, and an order of the market traded with it.
    """

    product_id: str
    order_id: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    maker: bool
    remaining: Decimal
    time: datetime


class PaperDone(Result, frozen=True, gc=False):
    """An order is done, and *remaining* of it did not trade.

    *reason*: `filled`; `canceled` (by a cancel, or the rest of a market order); `gap` or `crossed` (the book was not
    ready at its arrival or later); `post_only` (it would have traded at once); `self_trade` (with another paper order).
    """

    product_id: str
    order_id: str
    reason: Reason
    remaining: Decimal
    time: datetime


PaperEvent = PaperOpen | PaperFill | PaperDone
