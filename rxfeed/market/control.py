"""Messages about the connection."""

# pyright: reportIncompatibleVariableOverride=false

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from rxfeed.market.message import Message


class ChannelSubscription(msgspec.Struct, frozen=True, gc=False):
    """One channel of a `Subscriptions` answer, by the name with which the venue acknowledges it."""

    name: str
    product_ids: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None


class Subscriptions(Message, frozen=True, kw_only=True, gc=False):
    """All that this connection is subscribed to, in answer to a subscribe or unsubscribe."""

    channels: tuple[ChannelSubscription, ...]


class ErrorMessage(Message, frozen=True, kw_only=True, gc=False):
    """The venue refuses something; the connection usually lives on."""

    message: str
    reason: str | None = None


class AnyHeartbeat(Message, frozen=True, kw_only=True, gc=False):
    """A sign of life, of a product (`Heartbeat`) or of a whole connection, which has no product."""

    if TYPE_CHECKING:

        @property
        def time(self) -> datetime: ...


class Heartbeat(AnyHeartbeat, frozen=True, kw_only=True, gc=False):
    """A sign of life of a product, with the id of its last trade; 0 before any trade.

    It has no fields of its own: the properties name what a venue's struct has.
    """

    if TYPE_CHECKING:

        @property
        def product_id(self) -> str: ...
        @property
        def time(self) -> datetime: ...
        @property
        def last_trade_id(self) -> int: ...
