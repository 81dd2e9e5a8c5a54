"""Reads the numbers in a file of a recording: of most lines only what is needed, many at once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from rxfeed.audit.collector import NumberCollector
from rxfeed.audit.records import ConnectionEvent, EventKind, FileRecord, GapRecord
from rxfeed.audit.state import status_of_file
from rxfeed.core import Missed, Pair, Restarted, renumber
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.feed import (
    Connected,
    Connecting,
    ConnectionRemoved,
    Disconnected,
    FeedStatus,
    Gap,
    ProductRenamed,
    SequenceReset,
    Subscribed,
)
from rxfeed.market import LONG, Heartbeat, Malformed, Message, PriorTrade, Subscriptions, Trade
from rxfeed.recording import (
    Chunk,
    Line,
    Moment,
    Part,
    Recording,
    SegmentOpen,
    apply,
    inserted,
    recorded_ids,
    repaired,
    status_of,
    together,
)
from rxfeed.venues import DEFAULT_VENUE, DeliveredIds, NumberGroup, Venue
from rxfeed.venues import venue as venue_of


class _FrameLine(msgspec.Struct):
    connection: int = 0
    frame: msgspec.Raw = msgspec.Raw(b"")


_of_connection = msgspec.json.Decoder(_FrameLine).decode


def read_file(part: Part, every: int, venue: Venue | None = None) -> FileRecord:
    """The record of *part*; *every*: the nanoseconds of a span. *venue*: in place of the one that the file names."""
    stat = status_of_file(part.path)
    found = part.found if isinstance(part.found, Recording) else None
    header = None if found is None else found.header
    name = DEFAULT_VENUE if header is None else header.venue or DEFAULT_VENUE
    record = FileRecord(
        name=Path(part.path).name,
        size=stat.st_size,
        modified=stat.st_mtime_ns,
        every=every,
        venue=name if venue is None else venue.name,
        session=part.session,
        number=part.number,
        begun_ns=part.ns,
        of=None if header is None else header.completed,
    )
    collector = NumberCollector(record)
    try:
        _Reader(part.opened(), collector, venue or venue_of(name)).read()
    except SegmentOpen:
        record.open = True
    except RecordingDamaged as damage:
        record.damage = damage.line, damage.offset, damage.reason
        record.unread = isinstance(damage.__cause__, OSError)
    except ConfigError as error:
        record.damage = 1, 0, str(error)
    return collector.finish()


class _Reader:
    def __init__(self, recording: Recording, collector: NumberCollector, venue: Venue) -> None:
        self._recording = recording
        self._collector = collector
        self._venue = venue
        self._ids: DeliveredIds = recorded_ids(recording)
        self._decode = venue.decoder(stored=True, renamed=self._ids).decode
        self._plain = _entry_decoder(venue, plain=True)
        self._entries = _entry_decoder(venue, plain=False)
        self._trades = next((each.name for each in venue.channels if each.numbering == "trades"), "")
        self._channels: dict[str | None, frozenset[str]] = {}
        self._acknowledged: dict[int, list[Pair]] = {}  # by connection
        about = {} if recording.header is None else recording.header.about
        names = frozenset(_strings(about.get("channels")))
        self._channels.update((each, names) for each in _strings(about.get("products")))

    def read(self) -> None:
        if self._recording.kind != "segment":
            self._foreign()
            return
        header = self._recording.header
        if header is not None and header.completed is not None:
            self._rest()
            return
        for chunk in self._recording.chunks():
            if chunk.line <= 2:
                self._collector.record.first_frames = _connections(chunk)
            entries, short = None, len(chunk.text) <= LONG
            plain = self._plain is not None and short and (entries := together(self._plain, chunk.text)) is not None
            if entries is None and short and self._entries is not None:
                entries = together(self._entries, chunk.text)
            if entries is None:
                for index in range(len(chunk.lines)):
                    self._line(chunk, index, None)
                continue
            chunk.count = len(entries)
            if entries:
                self._collector.seen(entries[0].ns, entries[-1].ns)
                self._chunk(chunk, entries, plain=plain)

    # ---- segments

    def _chunk(self, chunk: Chunk, entries: list[Any], *, plain: bool) -> None:
        if plain and self._together(chunk, entries, 0):
            return
        alone = [
            place for place, entry in enumerate(entries) if entry.frame is None or (not plain and _is_alone(entry))
        ]
        begin = 0
        for place in (*alone, len(entries)):
            if place > begin:
                several = entries if place - begin == len(entries) else entries[begin:place]
                self._frames(chunk, several, begin)
            if place < len(entries):
                self._line(chunk, place, entries[place])
            begin = place + 1

    def _frames(self, chunk: Chunk, entries: Sequence[Any], begin: int) -> None:
        """Frames that are read together; the first is the *begin*-th line of *chunk*."""
        if self._together(chunk, entries, begin):
            return
        if len(entries) == 1:
            self._line(chunk, begin, None)
        else:  # find those that are not so
            half = len(entries) // 2
            self._frames(chunk, entries[:half], begin)
            self._frames(chunk, entries[half:], begin + half)

    def _together(self, chunk: Chunk, entries: Sequence[Any], begin: int) -> bool:
        """False if one of *entries* has no frame, or one without numbers where they should be; nothing is added."""
        numbers = self._venue.numbers
        assert numbers is not None
        try:
            groups = list(numbers.groups(entries, self._channels))
        except (ValueError, TypeError, AttributeError):
            return False
        if any(None in group.numbers for group in groups):
            return False
        for group in groups:
            self._collector.group(group, self._product(group), entries, chunk.line + begin)
        return True

    def _product(self, group: NumberGroup) -> str | None:
        return None if group.product is None else self._ids[group.product]

    def _line(self, chunk: Chunk, index: int, entry: Any) -> None:
        line = self._recording.line(chunk, index)
        if entry is None:
            self._collector.seen(line.ns, line.ns)
        number = chunk.line + index
        try:
            if line.malformed is not None:
                return
            if line.has_frame:
                self._frame(line, number)
            elif line.has_status:
                self._status(status_of(line), line.ns, number)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._recording.damaged(*chunk.place(index), str(error)) from None

    def _frame(self, line: Line, number: int) -> None:
        decoded = self._decode(line.raw())
        if isinstance(decoded, Malformed):
            self._collector.record.malformed += 1
            return
        if not isinstance(decoded, tuple):
            self._message(decoded, line.ns, number, of_repair=bool(line.repaired), counts=line.backfilled)
            return
        places = line.repaired or []
        epochs = line.epochs if line.epochs and len(line.epochs) == len(decoded) else [line.epoch] * len(decoded)
        for place, message in enumerate(repaired(decoded, places, self._venue)):
            if epochs[place] is not None:
                self._message(message, line.ns, number, of_repair=place in places)

    def _message(self, message: Message, ns: int, line: int, *, of_repair: bool = False, counts: bool = False) -> None:
        """Add *message*; *counts*: it is a trade from before the subscription that came."""
        collector, product = self._collector, message.product_id
        if isinstance(message, Trade) or (isinstance(message, PriorTrade) and counts):
            collector.number(self._trades, product, message.trade_id, ns, line, repaired=of_repair)
        elif isinstance(message, PriorTrade):
            collector.name(self._trades, product, message.trade_id, ns, line, before=True)
        else:
            channels = self._venue.channels_of(type(message)) or frozenset()
            subscribed = self._channels.get(product, frozenset())
            known = sorted(channels & subscribed) or sorted(channels)
            collector.message(known[0] if known else message.type, product, ns)
            if isinstance(message, Heartbeat):
                collector.name(self._trades, product, message.last_trade_id, ns, line)

    def _status(self, status: FeedStatus | None, ns: int, line: int) -> None:
        match status:
            case ProductRenamed():
                apply(status, self._ids)
            case Connecting(connection=connection):
                self._event(connection, ns, "attempt")
            case Connected(connection=connection):
                self._event(connection, ns, "open")
            case Disconnected(connection=connection):
                self._event(connection, ns, "lost")
            case ConnectionRemoved(connection=connection):
                self._acknowledged.pop(connection, None)
                self._event(connection, ns, "removed")
            case Subscribed(channels=channels, connection=connection):
                pairs = [(each.name, product) for each in channels for product in each.product_ids or (None,)]
                pairs = [self._venue.by_subscribed_name(pair) for pair in pairs]
                pairs = [(name, None if product is None else self._ids[product]) for name, product in pairs]
                self._event(connection, ns, "subscribed", pairs)
                renumber(self._acknowledged, connection)
                self._acknowledged[connection] = pairs
                self._channels = {}
                for name, product in (pair for each in self._acknowledged.values() for pair in each):
                    self._channels[product] = self._channels.get(product, frozenset()) | {name}
            case Gap(product_id=product, channel=channel, first=first, last=last):
                self._collector.gap(GapRecord(product, channel, first, last, ns), line)
            case SequenceReset(product_id=product, channel=channel):
                self._collector.reset(channel, product, line)
            case _:
                pass

    def _event(self, connection: int, ns: int, kind: EventKind, pairs: Sequence[Pair] = ()) -> None:
        self._collector.record.events.append(ConnectionEvent(ns, connection, kind, list(pairs)))

    # ---- other files

    def _rest(self) -> None:
        """The file of a repair: its trades, and those that the exchange no longer has."""
        for line, product, first, last in inserted(self._recording):
            if line.lost is None:
                self._frame(line, line.before or 0)
            else:
                self._collector.record.lost.append((product, first, last))

    def _foreign(self) -> None:
        """A file without events: its gaps are detected as by a feed."""
        detector, collector = self._venue.gaps(), self._collector
        for number, (ns, raw) in enumerate(self._recording.frames(), 1):
            decoded = self._decode(raw)
            if isinstance(decoded, Malformed):
                collector.record.malformed += 1
                continue
            collector.seen(ns, ns)
            if isinstance(decoded, Subscriptions):
                channels = decoded.channels
                detector.watch((each.name, product) for each in channels for product in each.product_ids or (None,))
                self._status(Subscribed(channels=channels), ns, number)
            if isinstance(decoded, tuple):
                checked = detector.frame(decoded)
                for message, epoch in zip(checked.messages, checked.epochs, strict=True):
                    if epoch is not None:
                        self._message(message, ns, number)
            elif detector.step(decoded):
                self._message(decoded, ns, number)
            elif detector.new is not None:
                self._message(detector.new, ns, number, of_repair=True)
                detector.new = None
            for found in detector.missed:
                if isinstance(found, Missed):
                    collector.gap(GapRecord(found.product_id, found.channel, found.first, found.last, ns), number)
                elif isinstance(found, Restarted):
                    collector.reset(found.channel, found.product_id, number)
            detector.missed = []


def _connections(chunk: Chunk) -> list[int]:
    """The numbers of the connections that the frames in *chunk* came from."""
    found: set[int] = set()
    for text in chunk.lines:
        with contextlib.suppress(ValueError, RecursionError):
            line = _of_connection(text)
            if line.frame:
                found.add(line.connection)
    return sorted(found)


def _strings(value: object) -> list[str]:
    """The strings in *value*, of a header's description, which is of any type."""
    given = cast("list[object]", value) if isinstance(value, list) else []
    return [each for each in given if isinstance(each, str)]


def _is_alone(entry: Any) -> bool:
    """True for a line that is read by itself: with repaired or backfilled trades, or with duplicates."""
    return entry.repaired is not None or bool(entry.epochs and None in entry.epochs)


@functools.cache
def _entry_decoder(venue: Venue, *, plain: bool) -> Any:
    """Decodes lines with as much of the frames of *venue* as has numbers; `None` if it cannot read them so.

    *plain*: it fails at a line of a repaired trade, or of a frame with several messages.
    """
    if venue.numbers is None or (plain and not venue.quick_types):
        return None
    fields: list[Any] = [
        ("ns", Moment),
        ("frame", venue.numbers.frame | None, None),
        ("repaired", None if plain else list[int] | None, None),
        ("epochs", None if plain else list[int | None] | None, None),
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Entry", fields, gc=False)).decode_lines
