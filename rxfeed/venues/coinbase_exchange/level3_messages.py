"""The messages of `level3`: orders as arrays, in the layout of the first frame's schema."""

# Types narrow the base's optional fields to required ones; with keyword-only fields no order is broken by that.
# pyright: reportGeneralTypeIssues=false, reportIncompatibleVariableOverride=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from decimal import Decimal

from rxfeed.market import (
    Count,
    Message,
    OrderChanged,
    OrderDone,
    OrderEvent,
    OrderMatched,
    OrderOpened,
    Side,
    Time,
    check,
    check_sizes,
)


class Level3Schema(Message, frozen=True, kw_only=True, gc=False, tag="level3"):
    """The layout of the arrays to come: for each of their types, the names of its places."""

    schema: tuple[tuple[str, tuple[str, ...]], ...]


class _Level3(OrderEvent, frozen=True, kw_only=True, gc=False):
    product_id: str
    sequence: Count
    time: Time


class Level3Open(_Level3, OrderOpened, frozen=True, kw_only=True, gc=False, tag="open"):
    """An order rests on the book."""

    order_id: str
    side: Side
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)

    @property
    def open_size(self) -> Decimal:
        """`size`."""
        return self.size


class Level3Done(_Level3, OrderDone, frozen=True, kw_only=True, gc=False, tag="done"):
    """An order has ended."""

    order_id: str


class Level3Match(_Level3, OrderMatched, frozen=True, kw_only=True, gc=False, tag="match"):
    """A trade; look the maker's order up for its side."""

    maker_order_id: str
    taker_order_id: str
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)


class Level3Change(_Level3, OrderChanged, frozen=True, kw_only=True, gc=False, tag="change"):
    """An order has a new *size* or *price*."""

    order_id: str
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)

    @property
    def new_price(self) -> Decimal:
        """`price`."""
        return self.price

    @property
    def new_size(self) -> Decimal:
        """`size`."""
        return self.size


class Level3Noop(_Level3, frozen=True, kw_only=True, gc=False, tag="noop"):
    """Nothing on the book; it keeps the sequence unbroken."""
