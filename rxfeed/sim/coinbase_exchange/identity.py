"""The ids in a frame of Coinbase Exchange."""

from __future__ import annotations

import msgspec

from rxfeed.sim.frames import Frame, Json, payload_of
from rxfeed.sim.ledger import FrameId


class _Ids(msgspec.Struct):
    product_id: Json = None
    sequence: Json = None
    trade_id: Json = None


def identify(frame: Frame) -> FrameId:
    """The ids in a frame's message; of `level3`, in its array."""
    payload = payload_of(frame.wire)
    try:
        if payload.startswith(b"["):
            _, product_id, sequence = msgspec.json.decode(payload)[:3]
            return FrameId(frame.type, product_id, int(sequence))
        ids = msgspec.json.decode(payload, type=_Ids)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return FrameId(frame.type)
    return FrameId(frame.type, ids.product_id, ids.sequence, ids.trade_id)
