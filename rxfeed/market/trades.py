"""Trades and prices.

These structs have no fields of their own: a venue's struct has its fields in the order of the wire, and can be a trade
and something else, too. The properties here name what each venue's struct has, as a field or as a property.
"""

# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from rxfeed.market.message import Message, Side


class TradeFields(Message, frozen=True, kw_only=True, gc=False):
    """What a `Trade` and a `PriorTrade` have in common."""

    ids_are_consecutive: ClassVar[bool] = False
    """True if the ids of a product's trades prove, across epochs, that no trade between two was missed."""

    if TYPE_CHECKING:

        @property
        def product_id(self) -> str: ...
        @property
        def time(self) -> datetime: ...
        @property
        def trade_id(self) -> int: ...
        @property
        def price(self) -> Decimal: ...
        @property
        def size(self) -> Decimal: ...
        @property
        def taker_side(self) -> Side:
            """The side of the order that came in and traded."""
            ...

    @property
    def maker_side(self) -> Side:
        """The side of the order that rested on the book: the opposite of `taker_side`."""
        return "sell" if self.taker_side == "buy" else "buy"


class Trade(TradeFields, frozen=True, kw_only=True, gc=False):
    """A trade. The trade ids of a product rise by one."""


class PriorTrade(TradeFields, frozen=True, kw_only=True, gc=False):
    """A trade from before the subscription, perhaps hours old: it is not a new one, and so no `Trade`.

    If it is `backfilled`, windows, rolling results and bars count it. Others only show whether a trade was missed.
    """


class Ticker(Message, frozen=True, kw_only=True, gc=False):
    """The price of a product, with the best bid and ask; `None` for what the venue leaves out."""

    if TYPE_CHECKING:

        @property
        def product_id(self) -> str: ...
        @property
        def price(self) -> Decimal: ...
        @property
        def best_bid(self) -> Decimal | None: ...
        @property
        def best_bid_size(self) -> Decimal | None: ...
        @property
        def best_ask(self) -> Decimal | None: ...
        @property
        def best_ask_size(self) -> Decimal | None: ...
