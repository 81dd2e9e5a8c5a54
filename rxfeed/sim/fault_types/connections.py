"""Faults of a connection: of its handshake, its end, its silence and its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.sim.fault_types.base import MOST, Anywhere, AtHandshake, Fault, ForAWhile


@dataclass(frozen=True)
class SlowHandshake(AtHandshake):
    """The TCP connection (and TLS) is made at once; the response to the upgrade request comes *seconds* later."""

    seconds: Seconds

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "seconds", arguments.number("seconds", self.seconds))


@dataclass(frozen=True)
class HttpStatus(AtHandshake):
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
class Refuse(ForAWhile):
    """The port is closed: connecting raises `ConnectionRefusedError`, for *seconds* or (`None`) until `Recover`.

    Open connections go on, so it is mostly followed by a `Close` or `Reset`. The port stays the same, and reserved.
    """


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
class Reset(Anywhere):
    """`ConnectionResetError`, at once: frames not written to the socket are lost, and some written ones may be.

    With *before_handshake*, as soon as TCP (and TLS) have connected.
    """


@dataclass(frozen=True)
class Vanish(Anywhere):
    """All frames before it, then the end of the stream (FIN), without a close frame; what the client sends is ignored.

    With *before_handshake*, as soon as TCP (and TLS) have connected.
    """


@dataclass(frozen=True)
class HalfOpen(Anywhere):
    """All frames before it, then nothing: the exchange reads nothing, answers no ping, and does not close.

    It is none of `Exchange.connections`. With *before_handshake*, TCP connects, but the upgrade is never answered.
    """


@dataclass(frozen=True)
class SlowReaderKick(Fault):
    """What the exchange does to a slow reader: all frames before it, an `ErrSlowConsume` error, a close with 1008."""


# A connection that goes on, in part


@dataclass(frozen=True)
class Silence(ForAWhile):
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

    seconds: Seconds

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds = in_seconds(self.seconds)
        if seconds:
            arguments.number("seconds", abs(seconds))
        object.__setattr__(self, "seconds", seconds)
