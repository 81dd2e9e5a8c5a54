"""Recordings of several collectors, played as one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from msgspec.structs import replace

from rxfeed.core import Heard, Link, Merge, Merged, Missed, Remark, Restarted
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.feed import (
    Connected,
    Connecting,
    Disconnected,
    Ended,
    FeedStatus,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    Idle,
    KeepalivePong,
    Reconnecting,
    SequenceReset,
    Torn,
)
from rxfeed.market import Malformed, Origin, stamp
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Part
from rxfeed.recording.format import Line, malformed_frame
from rxfeed.recording.moments import moment_of
from rxfeed.recording.reading import Recording
from rxfeed.venues import COINBASE_EXCHANGE, Venue

_by_ns = attrgetter("ns")


def merged(
    parts: Sequence[Part],
    patience: float,
    unreadable: Callable[[RecordingDamaged], None] = lambda _: None,
    venue: Venue = COINBASE_EXCHANGE,
) -> Iterator[Merged]:
    """What the sessions of *parts*, each a collector, received together, as `rxfeed.core.Merge` has it.

    *parts* are in the order of `ordered`. An item is a message (stamped with its collector's epoch), a
    `Malformed`, a `KeepalivePong` or a `FeedStatus`. Of each session one file is open at a time, from when it begins.
    *unreadable* gets the damage of each part of which nothing could be read.
    """
    if venue.merging is None:
        raise ConfigError(f"merge: recordings of {venue.name} cannot be merged")
    machine = Merge(venue.merging, patience)
    sessions = [list(session) for _, session in groupby(parts, attrgetter("session"))]
    collectors = (_collector(number, session, unreadable, venue) for number, session in enumerate(sessions))
    missing: set[str] = set()  # whose heartbeats are said to be
    for items in map(machine.step, heapq.merge(*collectors, key=_by_ns)):
        yield from _said(items, missing)
    yield from _said(machine.finish(), missing)


def _said(items: Iterable[Merged], missing: set[str]) -> Iterator[Merged]:
    for each in items:
        item = each.item
        if isinstance(item, Missed | Restarted):
            yield Merged(each.ns, 0, _found(item, each.ns))
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
    number: int, parts: Sequence[Part], unreadable: Callable[[RecordingDamaged], None], venue: Venue
) -> Iterator[Heard]:
    """All that one session received; where something is missing of it, its connection counts as lost."""
    first = parts[0].found
    ns = first.first_ns if isinstance(first, Recording) else parts[0].ns
    yield Heard(number, ns, Remark(None))  # so that no file is opened before its time
    for part in parts:
        if part.gap is not None:
            yield from _torn(number, ns, part.gap)
        try:
            for heard in _part(number, part.opened(), venue):
                ns = heard.ns
                yield heard
        except RecordingDamaged as damage:
            if damage.line == 1:
                unreadable(damage)
            yield from _torn(number, max(ns, part.ns), damage)
    yield Heard(number, ns, Link(up=False, over=True))


def _torn(number: int, ns: int, damage: RecordingDamaged) -> Iterator[Heard]:
    status = Torn(at=moment_of(ns), path=damage.path, line=damage.line, offset=damage.offset, reason=damage.reason)
    yield Heard(number, ns, Remark(status))
    yield Heard(number, ns, Link(up=False))


def _part(number: int, recording: Recording, venue: Venue) -> Iterator[Heard]:
    decode = venue.decoder(stored=True).decode
    hear = partial(_frame, number, decode)
    if recording.kind != "segment":
        for ns, raw in recording.frames():
            yield hear(raw, ns, 0)
        return
    for index, line in recording.lines():
        if line.malformed is not None:
            yield Heard(number, line.ns, malformed_frame(line))
        elif line.has_frame:
            yield hear(line.raw(), line.ns, line.epoch)
        elif line.pong is not None:
            pong = KeepalivePong(round_trip=line.pong, at=moment_of(line.ns))
            yield Heard(number, line.ns, Remark(pong))
        elif line.has_status:
            item = _event(line, recording, index, next(iter(venue.heartbeats), ""))
            if item is not None:
                yield Heard(number, line.ns, item)


def _frame(number: int, decode: Any, raw: bytes, ns: int, epoch: int) -> Heard:
    message = decode(raw)
    if isinstance(message, Malformed):
        return Heard(number, ns, replace(message, received_ns=ns))
    return Heard(number, ns, stamp(message, Origin(raw, ns, epoch)))


def _event(line: Line, recording: Recording, index: int, heartbeats: str) -> Link | Remark | None:
    """What the connection's event says to a `Merge`: of gaps nothing, they are found anew."""
    try:
        status = status_of(line)
    except ValueError as error:
        raise recording.damaged(index, 0, str(error)) from None
    match status:
        case None | Gap() | SequenceReset() | Ended():
            return None
        case Connected():
            return Link(up=True, said=status)
        case Disconnected():
            return Link(up=False, said=status)
        case Idle() | Connecting() | Reconnecting():
            return Remark(status, alone=True)
        case HeartbeatMissing(product_id=product) | HeartbeatBack(product_id=product):
            return Remark(status, pair=(heartbeats, product), silent=isinstance(status, HeartbeatMissing))
        case FeedStatus():
            return Remark(status)
