"""Counters of frames and a log of faults, read as frozen values."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from rxfeed.sim.fault_types import Fault

LOGGED = 10_000  # faults that the log keeps
REMEMBERED = 1_000  # closed connections of which the figures are kept


@dataclass(frozen=True, slots=True)
class Ledger:
    """The text frames of all clients, or of one, so far: how many were sent, how many of each `type`, and the rest.

    Frames without a `type` are counted by their `channel`. *by_kind* counts the messages in the frames: by their
    type, or by channel and type of event, such as `market_trades/update`, where a frame has several.

    *frames* and *by_type*: handed to a socket. Faults left out *dropped*, added *duplicated* and *inserted*, and
    delayed *reordered* of them. *lost*: queued, and cut off by the end of the connection. So all that the
    exchange meant to send, plus duplicated and inserted, is frames, dropped and lost, and what still waits.

    What a socket took and the client never read, because the connection was reset or the client left, counts as
    sent, since a server cannot detect it.
    """

    frames: int = 0
    by_type: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    duplicated: int = 0
    inserted: int = 0
    reordered: int = 0
    lost: int = 0
    by_kind: dict[str, int] = field(default_factory=dict, compare=False)


class LedgerBuilder:
    """Counts what becomes a `Ledger`."""

    __slots__ = ("by_kind", "by_type", "dropped", "duplicated", "frames", "inserted", "lost", "reordered")

    def __init__(self) -> None:
        self.by_type: Counter[str] = Counter()
        self.by_kind: Counter[str] = Counter()
        self.frames = self.dropped = self.duplicated = self.inserted = self.reordered = self.lost = 0

    def count(self, type: str, kind: str = "", messages: int = 1) -> None:
        """A frame went to a socket."""
        self.frames += 1
        self.by_type[type] += 1
        self.by_kind[kind or type] += messages

    def add(self, other: LedgerBuilder) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def read(self) -> Ledger:
        by_type = dict(self.by_type)
        rest = (self.dropped, self.duplicated, self.inserted, self.reordered, self.lost)
        return Ledger(self.frames, by_type, *rest, dict(self.by_kind))


class FrameId(NamedTuple):
    """The ids of a frame, as far as it has them.

    *sequence*: the product's sequence number, or the connection's where a venue numbers frames. *trade_id*: of the
    newest trade in a frame with several. *trades*: how many it has, with consecutive ids; 0 if they are not listed.
    """

    type: str
    product_id: str | None = None
    sequence: int | None = None
    trade_id: int | None = None
    trades: int = 0


@dataclass(frozen=True, slots=True)
class Fired:
    """A fault that fired, on which connection (0: on none in particular), and after how many of its frames.

    *concerned*: the frames that a `Drop`, `Duplicate`, `Reorder`, `EarlyData` or `LateSnapshot` has changed until now.
    Of a fault of HTTP requests, *frames* counts the requests before.
    """

    connection: int
    fault: Fault
    frames: int
    concerned: tuple[FrameId, ...] = ()


class FiredBuilder:
    """Collects what becomes a `Fired`."""

    __slots__ = ("concerned", "connection", "fault", "frames")

    def __init__(self, connection: int, fault: Fault, frames: int) -> None:
        self.connection = connection
        self.fault = fault
        self.frames = frames
        self.concerned: list[FrameId] = []


class Log:
    """The latest faults that fired, LOGGED of them at most."""

    def __init__(self) -> None:
        self._entries: deque[FiredBuilder] = deque(maxlen=LOGGED)

    def add(self, connection: int, fault: Fault, frames: int) -> FiredBuilder:
        entry = FiredBuilder(connection, fault, frames)
        self._entries.append(entry)
        return entry

    def read(self) -> list[Fired]:
        return [Fired(e.connection, e.fault, e.frames, tuple(e.concerned)) for e in self._entries]


class FrameCounters:
    """The tallies of all connections: each for its connection and some time after it, and their sum."""

    def __init__(self) -> None:
        self._open: dict[int, LedgerBuilder] = {}
        self._closed: dict[int, Ledger] = {}
        self._past = LedgerBuilder()

    def open(self, number: int) -> LedgerBuilder:
        return self._open.setdefault(number, LedgerBuilder())

    def close(self, number: int) -> None:
        if tally := self._open.pop(number, None):
            self._past.add(tally)
            self._closed[number] = tally.read()
            if len(self._closed) > REMEMBERED:
                del self._closed[next(iter(self._closed))]

    @property
    def total(self) -> Ledger:
        total = LedgerBuilder()
        for tally in (self._past, *self._open.values()):
            total.add(tally)
        return total.read()

    def of(self, number: int) -> Ledger:
        """The ledger of one connection; raises `KeyError` if there was none, or if it was discarded."""
        return self._open[number].read() if number in self._open else self._closed[number]
