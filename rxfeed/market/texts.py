"""Messages with their numbers and times as texts, as they are on the wire.

They are for consumers of very many messages that need no arithmetic, such as an export: decoding takes a third of the
time of a message. What a message checks when it is made is not checked here: a consumer has to check it.
A venue's structs are subclasses, with the tags and the names of the wire.
"""

from __future__ import annotations

import msgspec

from rxfeed.market.message import Count, Side


class TradeText(msgspec.Struct, kw_only=True, gc=False):
    """A `Trade`. *maker_side*: the side of the order that rested on the book."""

    product_id: str
    trade_id: Count
    price: str
    size: str
    maker_side: Side
    time: str


class BookUpdateText(msgspec.Struct, kw_only=True, gc=False):
    """A `BookUpdate`: its changes are (side, price, size)."""

    product_id: str
    changes: list[tuple[Side, str, str]]
    time: str | None = None


class TickerText(msgspec.Struct, kw_only=True, gc=False):
    """A `Ticker`."""

    product_id: str
    price: str
    best_bid: str | None = None
    best_bid_size: str | None = None
    best_ask: str | None = None
    best_ask_size: str | None = None
    time: str | None = None
