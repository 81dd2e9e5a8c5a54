"""Merges the recordings of several collectors into one stream."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from rxfeed.core import (
    ConnectionChange,
    Merge,
    MergedItem,
    Missed,
    ReceivedItem,
    Restarted,
    StatusEvent,
    pairs_of,
    renumber,
)
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.feed import (
    Connected,
    Connecting,
    ConnectionRemoved,
    Disconnected,
    Ended,
    FeedStatus,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    Idle,
    KeepalivePong,
    ProductRenamed,
    Reconnecting,
    RecordingTruncated,
    Repaired,
    SequenceReset,
    Subscribed,
)
from rxfeed.market import Malformed, Message, frame_origin, stamp
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Part, Repairs
from rxfeed.recording.format import Line, malformed_frame
from rxfeed.recording.insertions import Insertions, epoch_before
from rxfeed.recording.reading import Recording
from rxfeed.recording.recorded_ids import apply, recorded_ids
from rxfeed.recording.timestamps import moment_of
from rxfeed.venues import COINBASE_EXCHANGE, Decoded, DeliveredIds, Venue

_by_ns = attrgetter("ns")


def merged(
    parts: Sequence[Part],
    patience: float,
    unreadable: Callable[[RecordingDamaged], None] = lambda _: None,
    venue: Venue = COINBASE_EXCHANGE,
    repairs: Repairs | None = None,
) -> Iterator[MergedItem]:
    """The items of all sessions in *parts*, each session being a collector, merged by `rxfeed.core.Merge`.

    *parts* are in the order of `ordered`. An item is a message (stamped with its collector's epoch), a `Malformed`, a
    `KeepalivePong` or a `FeedStatus`. One file of each session is open at a time. *unreadable* is called with the
    damage of each part of which nothing could be read. *repairs*: trades to insert.
    """
    if venue.merging is None:
        raise ConfigError(f"merge: recordings of {venue.name} cannot be merged")
    machine = Merge(venue.merging, patience, partial(doubted_kinds, venue))
    sessions = [list(session) for _, session in groupby(parts, attrgetter("session"))]
    collectors = (
        _collector(number, session, unreadable, venue, repairs or {}) for number, session in enumerate(sessions)
    )
    missing: set[str] = set()  # products with a HeartbeatMissing that was output
    for items in map(machine.step, heapq.merge(*collectors, key=_by_ns)):
        yield from merged_statuses(items, missing)
    yield from merged_statuses(machine.finish(), missing)


def doubted_kinds(venue: Venue, frame: Malformed) -> frozenset[type[Message]] | None:
    """The types of the messages that may have been in *frame*; empty: of any, `None`: of none that is data."""
    return None if frame.type in venue.without_data else venue.types_named(frame.type)


def merged_statuses(items: Iterable[MergedItem], missing: set[str]) -> Iterator[MergedItem]:
    """*items*, with gaps and resets as statuses. *missing*: products of which heartbeats are missing; it changes."""
    for each in items:
        item = each.item
        if isinstance(item, Missed | Restarted):
            yield MergedItem(each.ns, 0, _found(item, each.ns))
            continue
        elif isinstance(item, HeartbeatMissing):
            missing.add(item.product_id)
        elif isinstance(item, HeartbeatBack):
            if item.product_id not in missing:
                continue
            missing.discard(item.product_id)
        yield each


def _found(found: Missed | Restarted, ns: int) -> Gap | SequenceReset:
    kind = Gap if isinstance(found, Missed) else SequenceReset
    return kind(
        at=moment_of(ns),
        product_id=found.product_id,
        channel=found.channel,
        first=found.first,
        last=found.last,
    )


def _collector(
    number: int, parts: Sequence[Part], unreadable: Callable[[RecordingDamaged], None], venue: Venue, repairs: Repairs
) -> Iterator[ReceivedItem]:
    """All items of one session. Where a part of it is missing, its connection counts as lost."""
    first = parts[0].found
    ns = first.first_ns if isinstance(first, Recording) else parts[0].ns
    yield ReceivedItem(number, ns, StatusEvent(None))  # so that the file is not opened before its time
    up: dict[int, None] = {}
    for part in parts:
        if part.gap is not None:
            yield from _truncated(number, ns, part.gap)
        try:
            for received in _part(number, part.opened(), venue, repairs.get((part.session, part.number)), up):
                ns = received.ns
                yield received
        except RecordingDamaged as damage:
            if damage.line == 1:
                unreadable(damage)
            yield from _truncated(number, max(ns, part.ns), damage)
    yield ReceivedItem(number, ns, ConnectionChange(up=False, over=True))


def _truncated(number: int, ns: int, damage: RecordingDamaged) -> Iterator[ReceivedItem]:
    status = RecordingTruncated(
        at=moment_of(ns), path=damage.path, line=damage.line, offset=damage.offset, reason=damage.reason
    )
    yield ReceivedItem(number, ns, StatusEvent(status))
    yield ReceivedItem(number, ns, ConnectionChange(up=False))


def _part(
    number: int, recording: Recording, venue: Venue, repair: Part | None, up: dict[int, None]
) -> Iterator[ReceivedItem]:
    """The items of one file; *up*: the numbers of the session's open connections, which is changed."""
    ids = recorded_ids(recording)
    decode = venue.decoder(stored=True, renamed=ids).decode
    if recording.kind != "segment":
        for ns, raw in recording.frames():
            yield from received_frame(number, decode, venue, raw, Line(ns=ns))
        return
    insertions, highest, ns = Insertions(None if repair is None else repair.opened()), 0, 0

    def insert(lines: Iterable[Line], epoch: int) -> Iterator[ReceivedItem]:
        for each in lines:
            if each.has_frame:
                own = replace(each, ns=max(each.ns, ns), epoch=epoch)
                yield from received_frame(number, decode, venue, own.raw(), own)

    try:
        for index, line in recording.lines():
            epoch, ns = epoch_before(line, highest), line.ns
            highest = max(highest, epoch)
            yield from insert(insertions.take(index), epoch)
            try:
                yield from received_line(number, decode, venue, ids, line, up)
            except ValueError as error:
                raise recording.damaged(index, 0, str(error)) from None
    except RecordingDamaged:
        yield from insert(insertions.rest(), highest)
        raise
    yield from insert(insertions.rest(), highest)


def received_line(
    number: int, decode: Callable[[bytes], Decoded], venue: Venue, ids: DeliveredIds, line: Line, up: dict[int, None]
) -> Iterator[ReceivedItem]:
    """The items of a `Merge` in *line*, of the collector *number*; raises `ValueError` if it is not valid.

    *up*: the numbers of the session's open connections, which is changed.
    """
    if line.malformed is not None:
        yield ReceivedItem(number, line.ns, malformed_frame(line))
    elif line.has_frame:
        yield from received_frame(number, decode, venue, line.raw(), line)
    elif line.pong is not None:
        pong = KeepalivePong(round_trip=line.pong, at=moment_of(line.ns))
        yield ReceivedItem(number, line.ns, StatusEvent(pong))
    elif line.has_status:
        item = _event(status_of(line), next(iter(venue.heartbeats), ""), ids, up)
        if item is not None:
            yield ReceivedItem(number, line.ns, item)


def received_frame(
    number: int, decode: Callable[[bytes], Decoded], venue: Venue, raw: bytes, line: Line
) -> Iterator[ReceivedItem]:
    """The items in the frame *raw*, with the receipt and the epochs of *line*."""
    decoded, ns = decode(raw), line.ns
    if isinstance(decoded, Malformed):
        yield ReceivedItem(number, ns, replace(decoded, received_ns=ns))
    elif not isinstance(decoded, tuple):
        yield ReceivedItem(number, ns, stamp(decoded, line.origin(raw, ns, line.epoch)))
    else:
        several, places = len(decoded), tuple(line.repaired or ())
        epochs = line.epochs if line.epochs and len(line.epochs) == several else [line.epoch] * several
        for place, (message, epoch) in enumerate(zip(repaired(decoded, places, venue), epochs, strict=True)):
            if epoch is not None:
                own = tuple(epoch if each == place else None for each in range(several))
                yield ReceivedItem(number, ns, stamp(message, frame_origin(raw, ns, epoch, own, places, place)))


def repaired(messages: tuple[Message, ...], places: Sequence[int], venue: Venue) -> tuple[Message, ...]:
    """The *messages* of a frame, those in *places* as new trades: they had been missed when it was recorded."""
    if not places:
        return messages
    return tuple(venue.repaired(each) if place in places else each for place, each in enumerate(messages))


def _event(
    status: FeedStatus | None, heartbeats: str, ids: DeliveredIds, up: dict[int, None]
) -> ConnectionChange | StatusEvent | None:
    """The connection's event as an item of a `Merge`; `None` for gaps, which `Merge` detects itself.

    A session with several connections is one collector. While one of them is open, the loss of another one shows in the
    epochs of what may be missing.
    """
    match status:
        case ProductRenamed():
            apply(status, ids)
            return StatusEvent(status)
        case None | Gap() | Repaired() | SequenceReset() | Ended():
            return None
        case Connected():
            renumber(up, status.connection)
            others = bool(up.keys() - {status.connection})
            up[status.connection] = None
            if others:
                return StatusEvent(status, alone=True, connected=status.connection)
            return ConnectionChange(up=True, status=status)
        case ConnectionRemoved():
            renumber(up, status.connection)
            up.pop(status.connection, None)
            return StatusEvent(status, alone=True, removed=status.connection)
        case Disconnected():
            renumber(up, status.connection)
            up.pop(status.connection, None)
            return StatusEvent(status, alone=True) if up else ConnectionChange(up=False, status=status)
        case Subscribed(connection=connection, channels=channels) if connection:
            # The frame is recorded once, if several connections had the same answer.
            pairs = [(name, None if product is None else ids[product]) for name, product in pairs_of(channels)]
            return StatusEvent(status, acknowledged=(connection, frozenset(pairs)))
        case Idle() | Connecting() | Reconnecting():
            return StatusEvent(status, alone=True)
        case HeartbeatMissing(product_id=product) | HeartbeatBack(product_id=product):
            return StatusEvent(status, pair=(heartbeats, product), silent=isinstance(status, HeartbeatMissing))
        case FeedStatus():
            return StatusEvent(status)
