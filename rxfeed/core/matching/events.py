"""The events of a matching engine, with numbers and times as text.

Their fields, in this order, are the keys of real frames of an exchange, where `type` is often not the first.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import UNSET, Struct, UnsetType

Side = Literal["buy", "sell"]
SIDES: tuple[Side, Side] = ("buy", "sell")
Optional = str | UnsetType


class ReceivedEvent(Struct, frozen=True, kw_only=True, gc=False):
    """An order was received; a market order has `size` or `funds`, and no `price`."""

    order_id: str
    order_type: Literal["limit", "market"]
    size: Optional = UNSET
    price: Optional = UNSET
    funds: Optional = UNSET
    type: str = "received"
    side: Side
    product_id: str
    time: str
    sequence: int


class OpenEvent(Struct, frozen=True, kw_only=True, gc=False):
    """The rest of a limit order is on the book."""

    price: str
    order_id: str
    remaining_size: str
    type: str = "open"
    side: Side
    product_id: str
    time: str
    sequence: int


class MatchEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A trade; `side` is the maker's."""

    type: str = "match"
    trade_id: int
    maker_order_id: str
    taker_order_id: str
    side: Side
    size: str
    price: str
    product_id: str
    sequence: int
    time: str


class DoneEvent(Struct, frozen=True, kw_only=True, gc=False):
    """An order is done; that of a market order has neither `price` nor `remaining_size`."""

    order_id: str
    reason: Literal["filled", "canceled"]
    price: Optional = UNSET
    remaining_size: Optional = UNSET
    type: str = "done"
    side: Side
    product_id: str
    time: str
    sequence: int


class ChangeEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A resting order changed: by self-trade prevention (`price`) or its owner (`old_price`, `new_price`)."""

    type: str = "change"
    reason: Literal["STP", "modify_order"]
    time: str
    sequence: int
    order_id: str
    side: Side
    product_id: str
    old_size: str
    new_size: str
    price: Optional = UNSET
    old_price: Optional = UNSET
    new_price: Optional = UNSET


OrderEvent = ReceivedEvent | OpenEvent | MatchEvent | DoneEvent | ChangeEvent


class HeartbeatEvent(Struct, frozen=True, kw_only=True, gc=False):
    """A whole second has passed; `sequence` repeats the product's last one."""

    type: str = "heartbeat"
    last_trade_id: int
    product_id: str
    sequence: int
    time: str


class TickEvent(NamedTuple):
    """No message: 50 ms of virtual time have passed, for the channels that collect."""

    micros: int


Event = OrderEvent | HeartbeatEvent | TickEvent
