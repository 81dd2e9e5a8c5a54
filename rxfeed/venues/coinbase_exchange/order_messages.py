"""The messages about orders, of the channels `full` and `user`, and about balances."""

# Types narrow the base's optional fields to required ones; with keyword-only fields no order is broken by that.
# pyright: reportGeneralTypeIssues=false, reportIncompatibleVariableOverride=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Context, Decimal

from msgspec.structs import force_setattr

from rxfeed.market import (
    EPOCH,
    Count,
    Message,
    OrderChanged,
    OrderDone,
    OrderEvent,
    OrderOpened,
    Side,
    Time,
    check,
    check_sizes,
)

_LONG = Context(prec=100)
_MILLION = Decimal(1_000_000)


class _Order(OrderEvent, frozen=True, kw_only=True, gc=False):
    product_id: str
    order_id: str
    side: Side
    time: Time
    # A private message of the user channel may come without one, and never raises the product's.
    sequence: Count | None = None
    user_id: str | None = None
    profile_id: str | None = None


class Received(_Order, frozen=True, kw_only=True, gc=False, tag="received"):
    """An order came in. A market order has no price, and *size*, *funds* or both."""

    order_type: str | None = None
    price: Decimal | None = None
    size: Decimal | None = None
    funds: Decimal | None = None
    client_oid: str | None = None

    def __post_init__(self) -> None:
        check(self.price, self.funds)
        check_sizes(self.size)


class Open(_Order, OrderOpened, frozen=True, kw_only=True, gc=False, tag="open"):
    """An order rests on the book with *remaining_size*."""

    price: Decimal
    remaining_size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.remaining_size)

    @property
    def open_size(self) -> Decimal:
        """`remaining_size`."""
        return self.remaining_size


class Done(_Order, OrderDone, frozen=True, kw_only=True, gc=False, tag="done"):
    """An order has ended (*reason*: filled, canceled); perhaps one that never rested on the book."""

    reason: str
    price: Decimal | None = None
    remaining_size: Decimal | None = None
    cancel_reason: str | None = None

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.remaining_size)


class Change(OrderChanged, frozen=True, kw_only=True, gc=False, tag="change"):
    """An order was changed (*reason*: STP, modify_order; `None` before 2022).

    The change of a stop order that was triggered may have no *product_id*, *time*, *sequence* and *side*.
    """

    order_id: str
    side: Side | None = None
    sequence: Count | None = None
    user_id: str | None = None
    profile_id: str | None = None
    reason: str | None = None
    price: Decimal | None = None
    old_price: Decimal | None = None
    new_price: Decimal | None = None
    old_size: Decimal | None = None
    new_size: Decimal | None = None
    old_funds: Decimal | None = None
    new_funds: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.price, self.old_price, self.new_price, self.old_funds, self.new_funds)
        check_sizes(self.old_size, self.new_size)


class Activate(Message, frozen=True, kw_only=True, gc=False, tag="activate"):
    """A stop order of yours is live. The exchange gives *timestamp* (Unix seconds), and `time` is made of it."""

    product_id: str
    order_id: str
    timestamp: Decimal
    side: Side | None = None
    stop_type: str | None = None
    stop_price: Decimal | None = None
    size: Decimal | None = None
    funds: Decimal | None = None
    user_id: str | None = None
    profile_id: str | None = None
    private: bool | None = None

    def __post_init__(self) -> None:
        check(self.stop_price, self.funds)
        check_sizes(self.size)
        try:
            check(self.timestamp)
            time = EPOCH + timedelta(microseconds=math.floor(_LONG.multiply(self.timestamp, _MILLION)))
        except (ValueError, ArithmeticError):  # before the year 1, or after 9999, too
            raise ValueError("timestamp must be Unix seconds") from None
        force_setattr(self, "time", time)


class Balance(Message, frozen=True, kw_only=True, gc=False, tag="balance", rename={"time": "timestamp"}):
    """An account's balance; not every change of it is sent."""

    account_id: str
    currency: str
    holds: Decimal
    available: Decimal
    time: Time
    updated: Time | None = None

    def __post_init__(self) -> None:
        check(self.holds, self.available)
