"""The validated arguments of `to_nats`."""

from __future__ import annotations

from typing import Literal

import msgspec

from rxfeed.tape.connection import TapeAddress
from rxfeed.tape.stored import SpillSettings
from rxfeed.tape.stream import StreamSettings
from rxfeed.tape.subjects import Subjects
from rxfeed.venues import Venue

TapeOverflow = Literal["block", "drop_oldest", "fail"]


class TapeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `to_nats`; see there."""

    address: TapeAddress
    stream: StreamSettings
    publisher: str
    shared: bool
    venue: Venue
    queue_size: int
    overflow: TapeOverflow
    in_flight: int
    retry_seconds: float | None
    flush_seconds: float
    attempt_seconds: float
    spill: SpillSettings | None = None

    @property
    def publisher_subject(self) -> str:
        return Subjects(self.stream.name, self.venue).publisher(self.publisher)
