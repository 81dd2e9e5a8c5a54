"""The events of a book order by order.

These structs have no fields of their own, so that a venue's struct can be one of them and something else, too. The
properties here name what a venue's struct has, as a field or as a property.
"""

# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rxfeed.market.message import Message, Side


class OrderEvent(Message, frozen=True, kw_only=True, gc=False):
    """An event of an order. *sequence* rises by one from event to event of a product; `None`: the event has none."""

    if TYPE_CHECKING:

        @property
        def sequence(self) -> int | None: ...


class OrderOpened(OrderEvent, frozen=True, kw_only=True, gc=False):
    """An order rests on the book with *open_size*, at the back of its price."""

    if TYPE_CHECKING:

        @property
        def order_id(self) -> str: ...
        @property
        def side(self) -> Side: ...
        @property
        def price(self) -> Decimal: ...
        @property
        def open_size(self) -> Decimal: ...


class OrderMatched(OrderEvent, frozen=True, kw_only=True, gc=False):
    """An order on the book (the maker) traded, and has *size* less."""

    if TYPE_CHECKING:

        @property
        def maker_order_id(self) -> str: ...
        @property
        def price(self) -> Decimal: ...
        @property
        def size(self) -> Decimal: ...


class OrderDone(OrderEvent, frozen=True, kw_only=True, gc=False):
    """An order has ended; perhaps one that never rested on the book."""

    if TYPE_CHECKING:

        @property
        def order_id(self) -> str: ...


class OrderChanged(OrderEvent, frozen=True, kw_only=True, gc=False):
    """An order has another size or price; `None`: that one is as before."""

    if TYPE_CHECKING:

        @property
        def order_id(self) -> str: ...
        @property
        def new_price(self) -> Decimal | None: ...
        @property
        def new_size(self) -> Decimal | None: ...
