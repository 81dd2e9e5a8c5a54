"""The types of faults, as values only. Import them from `rxfeed.sim.faults`."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rxfeed.core import arguments
from rxfeed.errors import ConfigError

MOST = 2**62


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What all faults have: when they fire, and on which connections."""

    after: int | None = None
    connection: int | Container[int] | None = None

    def __post_init__(self) -> None:
        if self.after is not None:
            arguments.integer("after", self.after, 0, MOST)
        if isinstance(self.connection, str) or not isinstance(self.connection, Container | None):
            arguments.integer("connection", self.connection, 1, MOST)
        if self.after and self.at_handshake:
            raise ConfigError(f"after: {self.after} frames, for a fault that comes before all frames")

    @property
    def at_handshake(self) -> bool:
        """Whether it happens before the connection is open."""
        return False

    def concerns(self, number: int) -> bool:
        """Whether it fires on that connection."""
        connection = self.connection
        return number in connection if isinstance(connection, Container) else connection in (None, number)


@dataclass(frozen=True, kw_only=True)
class _Anywhere(Fault):
    before_handshake: bool = False

    @property
    def at_handshake(self) -> bool:
        return self.before_handshake


@dataclass(frozen=True, kw_only=True)
class _AtHandshake(Fault):
    @property
    def at_handshake(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class OfFrames(Fault):
    """A fault of frames: of those with a `type` (or channel) in *types* and of *product_id* (`None`: of any)."""

    types: Collection[str] | None = None
    product_id: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.types is not None and (isinstance(self.types, str) or not isinstance(self.types, Collection)):
            raise ConfigError(f"types: {self.types!r} is not a collection of types, such as {{'match'}}")


@dataclass(frozen=True)
class _Counted(OfFrames):
    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)


@dataclass(frozen=True)
class _ForAWhile(Fault):
    seconds: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.optional_number("seconds", self.seconds)


# The handshake


@dataclass(frozen=True)
class SlowHandshake(_AtHandshake):
    """The TCP connection (and TLS) is made at once; the response to the upgrade request comes *seconds* later."""

    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.number("seconds", self.seconds)


@dataclass(frozen=True)
class HttpStatus(_AtHandshake):
    """An HTTP response with this status in place of the upgrade, and the end of the connection.

    *retry_after* makes a `Retry-After` header: seconds, or a datetime, written as an HTTP-date. *headers* are added.
    """

    code: int
    retry_after: int | datetime | None = field(default=None, kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    body: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("code", self.code, 200, 999)
        if isinstance(self.retry_after, datetime):
            arguments.moment("retry_after", self.retry_after)
        elif self.retry_after is not None:
            arguments.integer("retry_after", self.retry_after, 0, MOST)


@dataclass(frozen=True)
class Refuse(_ForAWhile):
    """The port is closed: connecting raises `ConnectionRefusedError`, for *seconds* or (`None`) until `Recover`.

    Open connections go on, so it is mostly followed by a `Close` or `Reset`. The port stays the same, and reserved.
    """


# The end of a connection


@dataclass(frozen=True)
class Close(Fault):
    """All frames before it, then a close frame with *code* (`None`: an empty one) and *reason*, whatever they mean.

    The exchange closes the connection after the client's answer, or 10 s later.
    """

    code: int | None = 1000
    reason: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.code is not None:
            arguments.integer("code", self.code, 0, 65_535)
        if len(self.reason.encode()) > (0 if self.code is None else 123):
            raise ConfigError(f"code, reason: {self.code!r}, {self.reason!r} do not fit into a close frame")


@dataclass(frozen=True)
class Reset(_Anywhere):
    """`ConnectionResetError`, at once: frames not written to the socket are lost, and some written ones may be.

    With *before_handshake*, as soon as TCP (and TLS) have connected.
    """


@dataclass(frozen=True)
class Vanish(_Anywhere):
    """All frames before it, then the end of the stream (FIN), without a close frame; what the client sends is ignored.

    With *before_handshake*, as soon as TCP (and TLS) have connected.
    """


@dataclass(frozen=True)
class HalfOpen(_Anywhere):
    """All frames before it, then nothing: the exchange reads nothing, answers no ping, and does not close.

    It is none of `Exchange.connections`. With *before_handshake*, TCP connects, but the upgrade is never answered.
    """


@dataclass(frozen=True)
class SlowReaderKick(Fault):
    """What the exchange does to a slow reader: all frames before it, an `ErrSlowConsume` error, a close with 1008."""


# A connection that goes on, in part


@dataclass(frozen=True)
class Silence(_ForAWhile):
    """No text frame any more, for *seconds* or (`None`) until `Recover`; pings are answered.

    The frames of the meantime are dropped, or with *hold* sent when it is over, and lost if the connection ends
    first; where more of them wait than `backlog` allows, the client is treated as a slow reader.
    """

    hold: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class NoPong(Fault):
    """Data flows, but pings are not answered (they still count in `Exchange.pings`), until `Recover`."""


@dataclass(frozen=True)
class Recover(Fault):
    """The end of every `Silence` and `NoPong` of the connection, and of a `Refuse`."""


@dataclass(frozen=True)
class ClockJump(Fault):
    """The times in what follows, and `Exchange.time`, are *seconds* later, or earlier; of all clients alike.

    The market goes on as before: neither its events nor their pace change. Given frames have no clock to move.
    """

    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seconds:
            arguments.number("seconds", abs(self.seconds))


# Frames


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
class Masked(_Counted):
    """The next *count* frames are masked, as only a client's may be: a protocol error."""


@dataclass(frozen=True)
class Duplicate(_Counted):
    """Each of the next *count* frames comes twice, one right after the other."""


@dataclass(frozen=True)
class Drop(_Counted):
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


# Requests


@dataclass(frozen=True)
class RefusedChannel(Fault):
    """The next *count* subscriptions to *channel* (`None`: to any) get an error with *message*, and nothing else."""

    channel: str | None = None
    message: str = "authentication failure"
    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        arguments.integer("count", self.count, 1, MOST)
