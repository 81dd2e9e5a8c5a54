"""What a folder of recordings holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from os import PathLike
from typing import Any

import msgspec

from rxfeed.core import Missed
from rxfeed.errors import RecordingDamaged
from rxfeed.feed import Connected, Connecting, Disconnected, FeedStatus, Gap, Subscribed
from rxfeed.market import UNDECODED, Malformed, Message, Subscriptions
from rxfeed.recording.chunks import Chunk
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Part, find, ordered
from rxfeed.recording.format import Line
from rxfeed.recording.moments import Moment
from rxfeed.recording.peek import type_and_product
from rxfeed.recording.reading import Kind, Recording, SegmentOpen
from rxfeed.recording.tally import Holding, Tally
from rxfeed.venues import DEFAULT_VENUE, VENUES, Decoded, Venue
from rxfeed.venues import venue as venue_of

Source = str | PathLike[str]


class Session(Holding, frozen=True, kw_only=True):
    """What one run of a recorder left: *session* is its id, and *about* what it says of itself.

    A file that is no segment is a session of its own, and *session* its path. *kind*: as `Recording` has it; `None`
    where no file of it can be read.
    """

    session: str
    kind: Kind | None = None
    about: dict[str, Any] = msgspec.field(default_factory=dict)


class Catalogue(msgspec.Struct, frozen=True):
    """What is there, by session in the order of recording, and all in all."""

    sessions: tuple[Session, ...]
    total: Holding

    @property
    def overlapping(self) -> bool:
        """Two sessions were received at the same time: `Replay` can merge them."""
        spans = sorted((each.span.first, each.span.last) for each in self.sessions if each.span is not None)
        return any(end > begin for (_, end), (begin, _) in pairwise(spans))


def catalogue(source: Source | Iterable[Source], *, venue: str | Venue | None = None) -> Catalogue:
    """What the recordings in *source* hold: a file, a folder, or many of them, of any format that `Replay` plays.

        >>> from rxfeed.recording import catalogue
        >>> catalogue("recordings").total.by_type                            # doctest: +SKIP
        {'l2update': 6216, 'ticker': 46, 'match': 36}

    Everything is read once, in bounded memory. What is damaged is in `damaged`, and the segments that are being written
    are in `open`; what can be read of them is counted. Raises
    `ConfigError` where *source* does not exist or holds no recording.
    """
    paths = [source] if isinstance(source, str | PathLike) else source
    given = None if venue is None else venue_of(venue)
    sessions, total = list[Session](), Tally()
    for name, parts in groupby(ordered(find(paths)), attrgetter("session")):
        tally, kind, about = _session(list(parts), given)
        sessions.append(Session(session=name, kind=kind, about=about, **tally.holding()))
        total.add(tally)
    return Catalogue(tuple(sessions), Holding(**total.holding()))


# ---- reading


class _Peek(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    product_id: str | None = None


class _Entry(msgspec.Struct, gc=False):
    """Of a line, what is counted; an array is of level3. No *frame*: it has to be looked at."""

    ns: Moment
    frame: _Peek | list[Any] | None = None


_Decode = Callable[[bytes], Decoded]
_Counted = dict[tuple[str, str | None], list[int]]
"""By type and product: how many, the first one's time, the last one's."""

_MOST_TOGETHER = 1 << 20
_entries = msgspec.json.Decoder(_Entry).decode_lines


def _session(parts: Sequence[Part], venue: Venue | None) -> tuple[Tally, Kind | None, dict[str, Any]]:
    tally = Tally()
    kind: Kind | None = None
    about: dict[str, Any] = {}
    for part in parts:
        tally.file(part.path)
        if part.gap is not None:
            tally.damage(part.gap)
        try:
            recording = part.opened()
            kind = recording.kind
            if recording.header is not None:
                about = about or recording.header.about
                _segment(tally, recording, venue or VENUES.get(recording.header.venue or DEFAULT_VENUE))
            else:
                _foreign(tally, recording)
        except SegmentOpen:
            tally.open(part.path)
        except RecordingDamaged as damage:
            tally.damage(damage)
        if isinstance(part.found, Recording):
            tally.text(part.found.unpacked)
    tally.ended()
    return tally, kind, about


def _segment(tally: Tally, recording: Recording, venue: Venue | None) -> None:
    # Where a frame can have several messages, it is decoded.
    decode = None if venue is None or venue.quick_types else venue.decoder(stored=True).decode
    for chunk in recording.chunks():
        entries = None if decode is not None else _together(chunk)
        if entries is None:
            for index in range(len(chunk.lines)):
                _line(tally, recording, chunk, index, decode)
            continue
        counted: _Counted = {}
        for index, entry in enumerate(entries):
            frame = entry.frame
            if frame is None:
                _count(tally, counted)  # an event has its place between the frames
                _line(tally, recording, chunk, index, decode)
                continue
            key = _of_level3(frame) if isinstance(frame, list) else (frame.type, frame.product_id)
            times = counted.get(key)
            if times is None:
                counted[key] = [1, entry.ns, entry.ns]
            else:
                times[0] += 1
                times[2] = entry.ns
        _count(tally, counted)


def _together(chunk: Chunk) -> list[_Entry] | None:
    """The lines of *chunk*; `None` where they have to be looked at one by one.

    That is where one of them is no line, which is damage, or of a far year, or so long that its frame may be an
    array of any size.
    """
    if len(chunk.text) > _MOST_TOGETHER:
        return None
    try:
        return _entries(chunk.text)
    except (ValueError, RecursionError):
        return None


def _count(tally: Tally, counted: _Counted) -> None:
    for (kind, product), (count, first, last) in counted.items():
        tally.frames(kind, product, first, last, count)
    counted.clear()


def _of_level3(array: list[Any]) -> tuple[str, str | None]:
    kind, product = (*array, None, None)[:2]
    return f"level3 {kind if isinstance(kind, str) else None}", product if isinstance(product, str) else None


def _line(tally: Tally, recording: Recording, chunk: Chunk, index: int, decode: _Decode | None) -> None:
    line = recording.line(chunk, index)
    try:
        _tell(tally, line, decode)
    except (ValueError, RecursionError) as error:
        raise recording.damaged(*chunk.place(index), str(error)) from None


def _tell(tally: Tally, line: Line, decode: _Decode | None) -> None:
    if line.malformed is not None:
        tally.malformed(line.ns)
    elif line.has_frame and decode is not None:
        _messages(tally, decode(line.raw()), line)
    elif line.has_frame:
        try:
            kind, product = type_and_product(line.raw())
        except UNDECODED:
            tally.malformed(line.ns)
            return
        tally.frames(kind, product, line.ns, line.ns)
    elif line.has_status:
        status = status_of(line)
        if status is not None:
            _event(tally, status, line.ns)


def _messages(tally: Tally, decoded: Decoded, line: Line) -> None:
    if isinstance(decoded, Malformed):
        tally.malformed(line.ns)
        return
    messages = decoded if isinstance(decoded, tuple) else (decoded,)
    epochs = line.epochs or (line.epoch,) * len(messages)
    for message, epoch in zip(messages, epochs, strict=False):
        if epoch is not None:
            tally.frames(message.type, message.product_id, line.ns, line.ns)


def _event(tally: Tally, status: FeedStatus, ns: int) -> None:
    match status:
        case Connecting():
            tally.connecting()
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


def _foreign(tally: Tally, recording: Recording) -> None:
    """Gaps are found as a feed finds them."""
    venue = VENUES[DEFAULT_VENUE]
    decode, continuity = venue.decoder(stored=True).decode, venue.gaps()
    for ns, raw in recording.frames():
        message = decode(raw)
        if isinstance(message, Malformed | tuple):
            tally.malformed(ns)
            continue
        if isinstance(message, Subscriptions):
            tally.subscribed(channel.name for channel in message.channels)
            continuity.watch(
                (channel.name, product) for channel in message.channels for product in channel.product_ids or (None,)
            )
        continuity.step(message)
        for found in continuity.missed:
            if isinstance(found, Missed):
                tally.gap(found.first, found.last)
        continuity.missed = []
        tally.frames(_type(message, raw), message.product_id, ns, ns)


def _type(message: Message, raw: bytes) -> str:
    return f"level3 {message.type}" if raw[:1] == b"[" else message.type
