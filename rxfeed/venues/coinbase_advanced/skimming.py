"""Passes over books, tickers and heartbeats that nothing reads. See `rxfeed.venues.skimming`.

The first two are most of the frames of a feed, and of their bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from rxfeed.market import LONG, UNDECODED, Message
from rxfeed.venues.coinbase_advanced.channels import BOOK_FRAME
from rxfeed.venues.coinbase_advanced.gaps import AdvancedGaps
from rxfeed.venues.coinbase_advanced.messages import (
    AdvancedL2Snapshot,
    AdvancedL2Update,
    AdvancedTicker,
    ConnectionHeartbeat,
)
from rxfeed.venues.delivered_ids import DeliveredIds
from rxfeed.venues.skimming import NOTHING_KNOWN, UnreadRoutes


class _Snapshot(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="snapshot"):
    product_id: str


class _Update(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="update"):
    product_id: str


class _Ticker(msgspec.Struct, frozen=True, gc=False):
    product_id: str


class _Tickers(msgspec.Struct, frozen=True, gc=False):
    tickers: tuple[_Ticker]


class _UpdateFrame(msgspec.Struct, frozen=True, gc=False, tag_field="channel", tag=BOOK_FRAME):
    sequence_num: int
    events: tuple[_Update]


class _SnapshotFrame(msgspec.Struct, frozen=True, gc=False, tag_field="channel", tag=BOOK_FRAME):
    sequence_num: int
    events: tuple[_Snapshot]


class _TickerFrame(msgspec.Struct, frozen=True, gc=False):
    channel: Literal["ticker", "ticker_batch"]
    sequence_num: int
    events: tuple[_Tickers]


class _Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """It has no product."""


class _HeartbeatFrame(msgspec.Struct, frozen=True, gc=False):
    channel: Literal["heartbeats"]
    sequence_num: int
    events: tuple[_Heartbeat]


# They are strict, which takes half the time: a frame that does not fit is decoded in full.
_decode_snapshot = msgspec.json.Decoder(_SnapshotFrame).decode
_DECODERS: dict[int, tuple[type[Message], Callable[[bytes], Any]]] = {
    ord("l"): (AdvancedL2Update, msgspec.json.Decoder(_UpdateFrame).decode),
    ord("t"): (AdvancedTicker, msgspec.json.Decoder(_TickerFrame).decode),
    ord("h"): (ConnectionHeartbeat, msgspec.json.Decoder(_HeartbeatFrame).decode),
}
# {"channel":"l2_data"   The first letter of the name selects the decoder, which checks the whole name.
_LETTER = 12


class AdvancedSkimmer:
    """Passes over frames of one connection. *gaps* has their count; *renamed*: as for the decoder."""

    __slots__ = ("_gaps", "_renamed")

    def __init__(self, gaps: AdvancedGaps, renamed: DeliveredIds) -> None:
        self._gaps = gaps
        self._renamed = renamed

    def skim(self, raw: bytes, routes: UnreadRoutes) -> bool:
        """See `Skim`."""
        # Most frames of a feed end here, so all steps are inline.
        try:
            found = _DECODERS.get(raw[_LETTER])
            if found is None:
                return False
            kind, decode = found
            known = routes.skimmed.get(kind, NOTHING_KNOWN)
            if known is None or not raw.isascii() or len(raw) > LONG:
                return False
            frame = decode(raw)
        except (*UNDECODED, IndexError):
            return self._snapshot(raw, routes)
        event, product = frame.events[0], None
        if kind is not ConnectionHeartbeat:
            product = event.product_id if kind is AdvancedL2Update else event.tickers[0].product_id
            if self._renamed:
                product = self._renamed[product]
        number, count = frame.sequence_num, self._gaps.count
        if number - 1 != count.last or not number:
            return False
        route = known.get(product)
        if route is None:
            route = routes.unobserved(kind, product)
            if route is None:
                return False
        if route.receivers:
            return False
        count.last = number
        count.since += 1
        route.count += 1
        return True

    def _snapshot(self, raw: bytes, routes: UnreadRoutes) -> bool:
        try:
            frame = _decode_snapshot(raw)
        except UNDECODED:
            return False
        product, number, count = self._renamed[frame.events[0].product_id], frame.sequence_num, self._gaps.count
        if number - 1 != count.last or not number:
            return False
        route = routes.unobserved(AdvancedL2Snapshot, product)
        if route is None or route.receivers:
            return False
        count.last = number
        count.since += 1
        route.count += 1
        return True
