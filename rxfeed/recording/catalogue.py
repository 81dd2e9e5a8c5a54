"""What a folder of recordings holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from operator import attrgetter
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from rxfeed.core import Continuity
from rxfeed.errors import RecordingDamaged
from rxfeed.feed.status import Connected, Disconnected, FeedStatus, Gap, Subscribed
from rxfeed.messages import Malformed, Message, Subscriptions
from rxfeed.protocol import Decoder
from rxfeed.protocol.decode import LEVEL3_SCHEMA
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Part, find, ordered
from rxfeed.recording.moments import moment_of
from rxfeed.recording.reading import Chunk, Kind, Recording

Source = str | PathLike[str]


class Span(msgspec.Struct, frozen=True):
    """From *first* to *last*, UTC."""

    first: datetime
    last: datetime

    @property
    def seconds(self) -> float:
        return (self.last - self.first).total_seconds()


class Damage(msgspec.Struct, frozen=True):
    """What of *path* cannot be read, from *line* on (at byte *offset*, unpacked), and why: as `RecordingDamaged`."""

    path: str
    line: int
    offset: int
    reason: str


class Held(msgspec.Struct, frozen=True):
    """How many *messages* of a product there are, received in *span*."""

    messages: int
    span: Span


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What one or many recordings hold.

    *span*: from the first frame's receipt to the last one's; `None` where there is none. *products* and *by_type* (the
    exchange's types; those of level3's arrays are `level3 open` and so on) count messages, the most first. *gaps* were
    said, and *gapped* numbers are in them: each session's own. *offline*: the times within *span* without a
    connection; for many sessions, those when none of them had one. *size* and *unpacked* are in bytes.
    """

    files: int = 0
    size: int = 0
    unpacked: int = 0
    span: Span | None = None
    channels: tuple[str, ...] = ()
    products: dict[str, Held] = {}
    by_type: dict[str, int] = {}
    messages: int = 0
    malformed: int = 0
    gaps: int = 0
    gapped: int = 0
    offline: tuple[Span, ...] = ()
    damaged: tuple[Damage, ...] = ()

    @property
    def offline_seconds(self) -> float:
        return sum(span.seconds for span in self.offline)


class Session(Holding, frozen=True, kw_only=True):
    """What one run of a recorder left: *session* is its id, and *about* what it says of itself.

    A file that is no segment is a session of its own, and *session* its path. *kind*: as `Recording` has it; `None`
    where no file of it can be read.
    """

    session: str
    kind: Kind | None = None
    about: dict[str, Any] = {}


class Catalogue(msgspec.Struct, frozen=True):
    """What is there, by session in the order of recording, and all in all."""

    sessions: tuple[Session, ...]
    total: Holding

    @property
    def overlapping(self) -> bool:
        """Two sessions were received at the same time: `Replay` can merge them."""
        spans = sorted((each.span.first, each.span.last) for each in self.sessions if each.span is not None)
        return any(end > begin for (_, end), (begin, _) in pairwise(spans))


def catalogue(source: Source | Iterable[Source]) -> Catalogue:
    """What the recordings in *source* hold: a file, a folder, or many of them, of any format that `Replay` plays.

        >>> from rxfeed.recording import catalogue
        >>> catalogue("recordings").total.by_type                            # doctest: +SKIP
        {'l2update': 6216, 'ticker': 46, 'match': 36}

    Everything is read once, in bounded memory. What is damaged is in `damaged`; the rest of it is counted. Raises
    `ConfigError` where *source* does not exist or holds no recording.
    """
    paths = [source] if isinstance(source, str | PathLike) else source
    tallies = [_tally(list(parts)) for _, parts in groupby(ordered(find(paths)), attrgetter("session"))]
    total = _Tally()
    for each in tallies:
        total.add(each)
    sessions = tuple(
        Session(session=each.session, kind=each.kind, about=each.about, **each.holding()) for each in tallies
    )
    return Catalogue(sessions, Holding(**total.holding()))


# ---- counting


class _Peek(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    product_id: str | None = None


class _Entry(msgspec.Struct, gc=False):
    """Of a line, what is counted; an array is of level3. No *frame*: it has to be looked at."""

    ns: int
    frame: _Peek | list[Any] | None = None


_Counted = dict[tuple[str, str | None], list[int]]
"""By type and product: how many, the first one's time, the last one's."""

_entries = msgspec.json.Decoder(_Entry).decode_lines


class _Tally:
    """A `Holding` in the making."""

    def __init__(self) -> None:
        self.session = ""
        self.kind: Kind | None = None
        self.about: dict[str, Any] = {}
        self._files = self._size = self._unpacked = self._malformed = self._gaps = self._gapped = 0
        self._span: tuple[int, int] | None = None
        self._channels: set[str] = set()
        self._types: Counter[str] = Counter()
        self._products: dict[str, tuple[int, int, int]] = {}  # messages, first, last
        self._online: list[tuple[int, int]] = []
        self._since: int | None = None
        """Since when there has been a connection."""
        self._damaged: list[Damage] = []

    def file(self, path: str) -> None:
        self._files += 1
        self._size += Path(path).stat().st_size

    def text(self, size: int) -> None:
        self._unpacked += size

    def frames(self, kind: str, product_id: str | None, first: int, last: int, count: int = 1) -> None:
        """So many messages, received from *first* to *last*."""
        self._types[kind] += count
        if product_id is not None:
            before, begin, end = self._products.get(product_id, (0, first, last))
            self._products[product_id] = before + count, min(begin, first), max(end, last)
        self._received(first, last)

    def malformed(self, ns: int) -> None:
        self._malformed += 1
        self._received(ns, ns)

    def gap(self, first: int, last: int) -> None:
        self._gaps += 1
        self._gapped += last - first + 1

    def subscribed(self, names: Iterable[str]) -> None:
        self._channels.update(names)

    def connected(self, ns: int) -> None:
        self._since = ns

    def disconnected(self, ns: int) -> None:
        if self._since is not None:
            self._online.append((self._since, ns))
            self._since = None

    def ended(self) -> None:
        if self._span is not None:
            self.disconnected(self._span[1])

    def damage(self, damage: RecordingDamaged) -> None:
        self._damaged.append(Damage(damage.path, damage.line, damage.offset, damage.reason))

    def add(self, other: _Tally) -> None:
        self._files += other._files
        self._size += other._size
        self._unpacked += other._unpacked
        self._malformed += other._malformed
        self._gaps += other._gaps
        self._gapped += other._gapped
        self._channels |= other._channels
        self._types += other._types
        self._online += other._online
        self._damaged += other._damaged
        for product_id, (count, first, last) in other._products.items():
            before, begin, end = self._products.get(product_id, (0, first, last))
            self._products[product_id] = before + count, min(begin, first), max(end, last)
        if other._span is not None:
            self._received(*other._span)

    def holding(self) -> dict[str, Any]:
        """The fields of a `Holding`."""
        products = sorted(self._products.items(), key=lambda each: (-each[1][0], each[0]))
        return {
            "files": self._files,
            "size": self._size,
            "unpacked": self._unpacked,
            "span": None if self._span is None else _span(*self._span),
            "channels": tuple(sorted(self._channels)),
            "products": {product: Held(count, _span(first, last)) for product, (count, first, last) in products},
            "by_type": dict(sorted(self._types.items(), key=lambda each: (-each[1], each[0]))),
            "messages": self._types.total(),
            "malformed": self._malformed,
            "gaps": self._gaps,
            "gapped": self._gapped,
            "offline": tuple(_span(*each) for each in self._offline()),
            "damaged": tuple(self._damaged),
        }

    def _received(self, first: int, last: int) -> None:
        if self._since is None and not self._online:
            self._since = first  # a recording may begin in the midst of a connection
        begin, end = self._span or (first, last)
        self._span = min(begin, first), max(end, last)

    def _offline(self) -> list[tuple[int, int]]:
        """Between the times with a connection."""
        joined: list[tuple[int, int]] = []
        for begin, end in sorted(self._online):
            if joined and begin <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(joined[-1][1], end)
            else:
                joined.append((begin, end))
        return [(end, begin) for (_, end), (begin, _) in pairwise(joined)]


def _span(first: int, last: int) -> Span:
    return Span(moment_of(first), moment_of(last))


# ---- reading


def _tally(parts: Sequence[Part]) -> _Tally:
    tally = _Tally()
    tally.session = parts[0].session
    before = parts[0].number - 1
    for part in parts:
        tally.file(part.path)
        if part.number > before + 1:
            missing = f"segments {before + 1} to {part.number - 1} of session {part.session} are not here"
            tally.damage(RecordingDamaged(part.path, 1, 0, missing))
        before = part.number
        try:
            recording = part.opened()
            tally.kind = recording.kind
            if recording.header is not None:
                tally.about = tally.about or recording.header.about
                _segment(tally, recording)
            else:
                _foreign(tally, recording)
        except RecordingDamaged as damage:
            tally.damage(damage)
        if isinstance(part.found, Recording):
            tally.text(part.found.unpacked)
    tally.ended()
    return tally


def _segment(tally: _Tally, recording: Recording) -> None:
    for chunk in recording.chunks():
        try:
            entries = _entries(chunk.text)
        except (ValueError, RecursionError):  # one of them is no line: it will be named
            for index in range(len(chunk.lines)):
                _line(tally, recording, chunk, index)
            continue
        counted: _Counted = {}
        for index, entry in enumerate(entries):
            frame = entry.frame
            if frame is None:
                _count(tally, counted)  # an event has its place between the frames
                _line(tally, recording, chunk, index)
                continue
            key = _of_level3(frame) if isinstance(frame, list) else (frame.type, frame.product_id)
            times = counted.get(key)
            if times is None:
                counted[key] = [1, entry.ns, entry.ns]
            else:
                times[0] += 1
                times[2] = entry.ns
        _count(tally, counted)


def _count(tally: _Tally, counted: _Counted) -> None:
    for (kind, product), (count, first, last) in counted.items():
        tally.frames(kind, product, first, last, count)
    counted.clear()


def _of_level3(array: list[Any]) -> tuple[str, str | None]:
    kind, product = (*array, None, None)[:2]
    return f"level3 {kind}", product if isinstance(product, str) else None


def _line(tally: _Tally, recording: Recording, chunk: Chunk, index: int) -> None:
    line = recording.line(chunk, index)
    if line.malformed is not None:
        tally.malformed(line.ns)
    elif line.has_frame:
        frame = msgspec.json.decode(line.raw(), type=_Peek | list[Any])
        kind, product = _of_level3(frame) if isinstance(frame, list) else (frame.type, frame.product_id)
        tally.frames(kind, product, line.ns, line.ns)
    elif line.has_status:
        try:
            status = status_of(line)
        except (ValueError, TypeError) as error:
            raise recording.damaged(*chunk.place(index), str(error)) from None
        if status is not None:
            _event(tally, status, line.ns)


def _event(tally: _Tally, status: FeedStatus, ns: int) -> None:
    match status:
        case Connected():
            tally.connected(ns)
        case Disconnected():
            tally.disconnected(ns)
        case Gap(first=first, last=last):
            tally.gap(first, last)
        case Subscribed(channels=channels):
            tally.subscribed(channel.name for channel in channels)
        case _:
            pass


def _foreign(tally: _Tally, recording: Recording) -> None:
    """Gaps are found as a feed finds them."""
    decode, continuity = Decoder().decode, Continuity()
    decode(LEVEL3_SCHEMA)
    for ns, raw in recording.frames():
        message = decode(raw)
        if isinstance(message, Malformed):
            tally.malformed(ns)
            continue
        if isinstance(message, Subscriptions):
            tally.subscribed(channel.name for channel in message.channels)
            continuity.watch(
                (channel.name, product) for channel in message.channels for product in channel.product_ids or ()
            )
        continuity.step(message)
        for missed in continuity.missed:
            tally.gap(missed.first, missed.last)
        continuity.missed = []
        tally.frames(_type(message, raw), message.product_id, ns, ns)


def _type(message: Message, raw: bytes) -> str:
    return f"level3 {message.type}" if raw[:1] == b"[" else message.type
