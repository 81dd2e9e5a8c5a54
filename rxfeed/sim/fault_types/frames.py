"""Faults of frames, and of the requests that they answer."""

from __future__ import annotations

from dataclasses import dataclass, field

from rxfeed.core import arguments
from rxfeed.sim.fault_types.base import MOST, Counted, Fault, OfFrames


@dataclass(frozen=True)
class MalformedFrame(Fault):
    """One more text frame, with *payload*: by default JSON that is cut off."""

    payload: str | bytes = '{"type":"ticker","sequence":12'

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.payloads([self.payload])


@dataclass(frozen=True)
class BadUtf8(Fault):
    """One more text frame, that would be JSON if it were UTF-8."""


@dataclass(frozen=True)
class OversizedFrame(Fault):
    """One more text frame, of *size* bytes: `{"type":"oversized","padding":"xxx..."}`, made as the client reads it.

    Pings that come meanwhile are answered behind it. A close frame that comes meanwhile ends the stream (FIN).
    """

    size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("size", self.size, 64, MOST)


@dataclass(frozen=True)
class Fragmented(OfFrames):
    """The next *count* frames come in so many *pieces*, with a ping between every two."""

    pieces: int = 3
    count: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("pieces", self.pieces, 2, 10_000)
        arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class Masked(Counted):
    """The next *count* frames are masked, as only a client's may be: a protocol error."""


@dataclass(frozen=True)
class Duplicate(Counted):
    """Each of the next *count* frames comes twice, one right after the other."""


@dataclass(frozen=True)
class Drop(Counted):
    """The next *count* frames do not come: a gap in sequences and trade ids."""


@dataclass(frozen=True)
class Reorder(OfFrames):
    """The next frame comes later: after the *distance* frames (of those that match, too) that should follow it."""

    distance: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("distance", self.distance, 1, MOST)


@dataclass(frozen=True)
class EarlyData(Fault):
    """The next acknowledgement comes after the first *count* data frames that it should precede."""

    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class LateSnapshot(Fault):
    """The next snapshot of a book comes after the acknowledgement and the next *count* data frames.

    It is the book as it is then. A venue that numbers frames numbers them as they come.
    """

    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class SkipSequence(Fault):
    """The next frame's number is *count* higher than it should be: a gap without a lost frame.

    Only where a venue numbers the frames of a connection.
    """

    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class RefusedChannel(Fault):
    """The next *count* subscriptions to *channel* (`None`: to any) get an error with *message*, and nothing else."""

    channel: str | None = None
    message: str = "authentication failure"
    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)
