"""The validated arguments of `to_mongo`."""

from __future__ import annotations

from typing import Literal

import msgspec

from rxfeed.sinks.bson_types import MongoCollection
from rxfeed.sinks.encoding import Identify, ToDocument

SinkOverflow = Literal["block", "drop_oldest", "fail"]


class MongoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `to_mongo`; see there."""

    collection: MongoCollection
    to_document: ToDocument
    identify: Identify
    batch_size: int
    batch_bytes: int
    batch_seconds: float
    queue_size: int
    overflow: SinkOverflow
    spill: str | None
    spill_bytes: int
    spill_mode: int
    sync: float | None
    """Seconds until an item is in the spill, in durable mode; `None` if the sink is not durable."""
    retry_seconds: float | None
    flush_seconds: float
    attempt_seconds: float
