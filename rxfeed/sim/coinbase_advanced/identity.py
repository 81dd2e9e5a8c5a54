"""The ids in a frame of Advanced Trade."""

from __future__ import annotations

import msgspec

from rxfeed.sim.frames import Frame, Json, payload_of
from rxfeed.sim.ledger import FrameId


class _IdentifiedItem(msgspec.Struct):
    product_id: Json = None
    trade_id: Json = None


class _IdentifiedEvent(msgspec.Struct):
    product_id: Json = None
    trades: list[_IdentifiedItem] = []
    tickers: list[_IdentifiedItem] = []
    candles: list[_IdentifiedItem] = []


class _Envelope(msgspec.Struct):
    sequence_num: Json = None
    events: list[_IdentifiedEvent] = []


def identify(frame: Frame) -> FrameId:
    """The ids of a frame: of its first event, with the newest of its trades."""
    try:
        envelope = msgspec.json.decode(payload_of(frame.wire), type=_Envelope)
        event = envelope.events[0] if envelope.events else _IdentifiedEvent()
        items = event.trades or event.tickers or event.candles
        product_id = event.product_id or (items[0].product_id if items else None)
        trade_id = int(event.trades[0].trade_id) if event.trades else None
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return FrameId(frame.type)
    return FrameId(frame.type, product_id, envelope.sequence_num, trade_id, len(event.trades))
