"""Lists the content of recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from operator import attrgetter
from os import PathLike
from typing import Any

import msgspec

from rxfeed.core import GapDetector, Missed
from rxfeed.errors import RecordingDamaged
from rxfeed.feed import (
    Connected,
    Connecting,
    ConnectionRemoved,
    Disconnected,
    FeedStatus,
    Gap,
    ProductRenamed,
    Subscribed,
)
from rxfeed.market import UNDECODED, Malformed, Message, Subscriptions
from rxfeed.recording.chunks import Chunk
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Part, find, ordered
from rxfeed.recording.format import REST, About, Line
from rxfeed.recording.merging import repaired
from rxfeed.recording.peek import type_and_product
from rxfeed.recording.reading import Kind, Recording, SegmentOpen
from rxfeed.recording.recorded_ids import apply, recorded_ids
from rxfeed.recording.summary import RecordingSummary, SummaryBuilder
from rxfeed.recording.timestamps import Moment
from rxfeed.venues import DEFAULT_VENUE, VENUES, Decoded, DeliveredIds, Venue
from rxfeed.venues import venue as venue_of

Source = str | PathLike[str]
SOURCE = "source"
"""The key in a session's description for trades that were requested later."""


class RecordedSession(RecordingSummary, frozen=True, kw_only=True):
    """The recording of one run of a recorder: *session* is its id, *about* the description in its header.

    A file that is no segment is a session with its path as *session*. *kind*: see `Recording`; `None` if no file of it
    can be read.
    """

    session: str
    kind: Kind | None = None
    about: About = msgspec.field(default_factory=dict)


class Catalogue(msgspec.Struct, frozen=True):
    """The content of recordings, by session in the order of recording, and in total."""

    sessions: tuple[RecordedSession, ...]
    total: RecordingSummary

    @property
    def overlapping(self) -> bool:
        """True if two sessions overlap in time: `Replay` can merge them."""
        received = [each for each in self.sessions if each.about.get(SOURCE) != REST]
        spans = sorted((each.span.first, each.span.last) for each in received if each.span is not None)
        return any(end > begin for (_, end), (begin, _) in pairwise(spans))


def catalogue(source: Source | Iterable[Source], *, venue: str | Venue | None = None) -> Catalogue:
    """The content of the recordings in *source*: a file, a folder, or many of them, of any format that `Replay` plays.

        >>> from rxfeed.recording import catalogue
        >>> catalogue("recordings").total.by_type                            # doctest: +SKIP
        {'l2update': 6216, 'ticker': 46, 'match': 36}

    Everything is read once, in bounded memory. `damaged` lists damaged files, and `open` segments that are being
    written; their readable parts are counted. Raises `ConfigError` if *source* does not exist or has no recording.
    """
    paths = [source] if isinstance(source, str | PathLike) else source
    given = None if venue is None else venue_of(venue)
    sessions, total = list[RecordedSession](), SummaryBuilder()
    for name, parts in groupby(ordered(find(paths)), attrgetter("session")):
        summary, kind, about = _session(list(parts), given)
        sessions.append(RecordedSession(session=name, kind=kind, about=about, **summary.fields()))
        total.add(summary)
    return Catalogue(tuple(sessions), RecordingSummary(**total.fields()))


# ---- reading


class _TypeFields(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    product_id: str | None = None


class _Entry(msgspec.Struct, gc=False):
    """The counted parts of a line; an array is of level3. A line without *frame* is decoded by itself."""

    ns: Moment
    frame: _TypeFields | list[Any] | None = None  # msgspec decodes `list[object]` more slowly
    connection: int = 0


_Decode = Callable[[Line], Decoded]
_Counted = dict[tuple[str, str | None], list[int]]
"""By type and product: the count, and the first and the last receipt."""

_MOST_TOGETHER = 1 << 20
_entries = msgspec.json.Decoder(_Entry).decode_lines


def _session(parts: Sequence[Part], venue: Venue | None) -> tuple[SummaryBuilder, Kind | None, About]:
    summary = SummaryBuilder()
    kind: Kind | None = None
    about: About = {}
    for part in parts:
        summary.file(part.path)
        if part.gap is not None:
            summary.damage(part.gap)
        try:
            recording = part.opened()
            kind = recording.kind
            if recording.header is not None:
                about = about or recording.header.about
                if recording.header.completed is not None:
                    about = {**about, SOURCE: REST}
                _segment(summary, recording, venue or VENUES.get(recording.header.venue or DEFAULT_VENUE))
            else:
                _foreign(summary, recording, venue or VENUES[DEFAULT_VENUE])
        except SegmentOpen:
            summary.open(part.path)
        except RecordingDamaged as damage:
            summary.damage(damage)
        if isinstance(part.found, Recording):
            summary.text(part.found.unpacked)
    summary.ended()
    return summary, kind, about


def _segment(summary: SummaryBuilder, recording: Recording, venue: Venue | None) -> None:
    # Where a frame can have several messages, it is decoded.
    ids = recorded_ids(recording)
    decode = None if venue is None or venue.quick_types else _decode_with(venue, ids)
    for chunk in recording.chunks():
        entries = None if decode is not None else _together(chunk)
        if entries is None:
            for index in range(len(chunk.lines)):
                _line(summary, recording, chunk, index, decode, ids)
            continue
        counted: _Counted = {}
        for index, entry in enumerate(entries):
            frame = entry.frame
            if frame is None:
                _count(summary, counted)  # an event has a place between the frames
                _line(summary, recording, chunk, index, decode, ids)
                continue
            if entry.connection:
                summary.of_connection(entry.connection, entry.ns)
            key = _of_level3(frame) if isinstance(frame, list) else (frame.type, frame.product_id)
            times = counted.get(key)
            if times is None:
                counted[key] = [1, entry.ns, entry.ns]
            else:
                times[0] += 1
                times[2] = entry.ns
        _count(summary, counted)


def _decode_with(venue: Venue, ids: DeliveredIds) -> _Decode:
    frame = venue.decoder(stored=True, renamed=ids).decode

    def decode(line: Line) -> Decoded:
        decoded = frame(line.raw())
        return repaired(decoded, line.repaired or (), venue) if isinstance(decoded, tuple) else decoded

    return decode


def _together(chunk: Chunk) -> list[_Entry] | None:
    """The lines of *chunk*, decoded at once; `None` if they have to be decoded one by one.

    That is the case if one of them is damaged, of a far year, or so long that its frame may be an array of any size.
    """
    if len(chunk.text) > _MOST_TOGETHER:
        return None
    try:
        return _entries(chunk.text)
    except (ValueError, RecursionError):
        return None


def _count(summary: SummaryBuilder, counted: _Counted) -> None:
    for (kind, product), (count, first, last) in counted.items():
        summary.frames(kind, product, first, last, count)
    counted.clear()


def _of_level3(array: list[object]) -> tuple[str, str | None]:
    kind, product = (*array, None, None)[:2]
    return f"level3 {kind if isinstance(kind, str) else None}", product if isinstance(product, str) else None


def _line(
    summary: SummaryBuilder,
    recording: Recording,
    chunk: Chunk,
    index: int,
    decode: _Decode | None,
    ids: DeliveredIds,
) -> None:
    line = recording.line(chunk, index)
    try:
        _add_line(summary, line, decode, ids)
    except (ValueError, RecursionError) as error:
        raise recording.damaged(*chunk.place(index), str(error)) from None


def _add_line(summary: SummaryBuilder, line: Line, decode: _Decode | None, ids: DeliveredIds) -> None:
    if line.connection:
        summary.of_connection(line.connection, line.ns)
    if line.malformed is not None:
        summary.malformed(line.ns)
    elif line.has_frame and decode is not None:
        _messages(summary, decode(line), line)
    elif line.has_frame:
        try:
            kind, product = type_and_product(line.raw())
        except UNDECODED:
            summary.malformed(line.ns)
            return
        summary.frames(kind, product, line.ns, line.ns)
    elif line.has_status:
        status = status_of(line)
        if isinstance(status, ProductRenamed):
            apply(status, ids)
        elif status is not None:
            _event(summary, status, line.ns)


def _messages(summary: SummaryBuilder, decoded: Decoded, line: Line) -> None:
    if isinstance(decoded, Malformed):
        summary.malformed(line.ns)
        return
    messages = decoded if isinstance(decoded, tuple) else (decoded,)
    epochs = line.epochs or (line.epoch,) * len(messages)
    for message, epoch in zip(messages, epochs, strict=False):
        if epoch is not None:
            summary.frames(message.type, message.product_id, line.ns, line.ns)


def _event(summary: SummaryBuilder, status: FeedStatus, ns: int) -> None:
    match status:
        case Connecting():
            summary.connecting()
        case Connected():
            summary.connected(ns, status.connection)
        case Disconnected() | ConnectionRemoved():
            summary.disconnected(ns, status.connection)
        case Gap(first=first, last=last):
            summary.gap(first, last)
        case Subscribed(channels=channels):
            summary.subscribed(channel.name for channel in channels)
        case _:
            pass


def _foreign(summary: SummaryBuilder, recording: Recording, venue: Venue) -> None:
    """Count a file without events; its gaps are detected as by a feed."""
    decode, continuity = venue.decoder(stored=True).decode, venue.gaps()
    for ns, raw in recording.frames():
        message = decode(raw)
        if isinstance(message, Malformed):
            summary.malformed(ns)
            continue
        if isinstance(message, tuple):
            checked = continuity.frame(message)
            for each in (
                each for each, epoch in zip(checked.messages, checked.epochs, strict=True) if epoch is not None
            ):
                summary.frames(each.type, each.product_id, ns, ns)
            _missed(summary, continuity)
            continue
        if isinstance(message, Subscriptions):
            summary.subscribed(channel.name for channel in message.channels)
            continuity.watch(
                (channel.name, product) for channel in message.channels for product in channel.product_ids or (None,)
            )
        continuity.step(message)
        _missed(summary, continuity)
        summary.frames(_type(message, raw), message.product_id, ns, ns)


def _missed(summary: SummaryBuilder, continuity: GapDetector) -> None:
    for found in continuity.missed:
        if isinstance(found, Missed):
            summary.gap(found.first, found.last)
    continuity.missed = []


def _type(message: Message, raw: bytes) -> str:
    return f"level3 {message.type}" if raw[:1] == b"[" else message.type
