"""What an audit keeps of each file: ranges of numbers, times, and events. It is stored, so that files are read once."""

from __future__ import annotations

from typing import Literal

import msgspec

Pair = tuple[str, str | None]
"""A channel and a product."""


class NumberRun(msgspec.Struct, array_like=True, gc=False):
    """Consecutive numbers *first* to *last*, received at these times; *first* is on *line* of the file."""

    first: int
    last: int
    first_ns: int
    last_ns: int
    line: int


class Named(msgspec.Struct, array_like=True, gc=False):
    """A message on *line* names *number* as the last one: so it exists."""

    number: int
    ns: int
    line: int


class SpanCount(msgspec.Struct, array_like=True, gc=False):
    """So many *messages* in the span that begins at *ns*, of which *repaired* were missed and came in another way."""

    ns: int
    messages: int = 0
    repaired: int = 0


class PairRecord(msgspec.Struct, gc=False):
    """The messages of a channel and product in a file; *repairs*: the runs of repaired trades.

    *before*: the last number from before the subscription, if it came before any run: those after it were to come.

    *newest*: the number that was named last, also if it was named before. *resets*: the lines from which on the numbers
    began anew.
    """

    channel: str
    product: str | None
    runs: list[NumberRun] = []
    repairs: list[NumberRun] = []
    named: list[Named] = []
    before: Named | None = None
    newest: Named | None = None
    resets: list[int] = []
    counts: list[SpanCount] = []


class GapRecord(msgspec.Struct, array_like=True, gc=False):
    """A gap that the feed detected, at *ns*."""

    product: str | None
    channel: str
    first: int
    last: int
    ns: int


EventKind = Literal["attempt", "open", "subscribed", "lost", "removed"]


class ConnectionEvent(msgspec.Struct, array_like=True, gc=False):
    """What happened to a *connection*, at *ns*.

    An `attempt` to open it began, it was `open`, the exchange acknowledged *pairs* and no others (`subscribed`), it was
    `lost`, or the feed `removed` it.
    """

    ns: int
    connection: int
    kind: EventKind
    pairs: list[Pair] = []


class FileRecord(msgspec.Struct, gc=False):
    """A file with this *name*, *size* and *modified* time; *every*: the nanoseconds of a span of `SpanCount`.

    *session* and *number*: those of a segment. *of*: the segment that it completes, for a file of a repair. *events*:
    of its connections, in order. *first_frames*: the connections of the frames at its beginning. *damage*: line, offset
    and reason; *open*: more follows; *unread*: the system did not let it be read. *malformed*: frames that are
    no messages of the venue.
    """

    name: str
    size: int
    modified: int
    every: int
    venue: str
    session: str
    number: int
    begun_ns: int
    of: tuple[str, int] | None = None
    first_ns: int = 0
    last_ns: int = 0
    pairs: list[PairRecord] = []
    events: list[ConnectionEvent] = []
    first_frames: list[int] = []
    gaps: list[GapRecord] = []
    lost: list[tuple[str, int, int]] = []
    damage: tuple[int, int, str] | None = None
    open: bool = False
    unread: bool = False
    malformed: int = 0
