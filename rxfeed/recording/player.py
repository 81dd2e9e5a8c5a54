"""Emits the lines of recordings on the streams of a replay."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from rxfeed.core import GapDetector, MergedItem
from rxfeed.errors import RecordingDamaged
from rxfeed.feed import (
    Connected,
    Dispatcher,
    Ended,
    FeedStatus,
    FeedStreams,
    Gap,
    KeepalivePong,
    ProductRenamed,
    Reconnecting,
    RecordingTruncated,
    Repaired,
    SequenceReset,
    Subscribed,
)
from rxfeed.market import (
    BackfilledOrigin,
    BookSnapshot,
    BookUpdate,
    FrameOrigin,
    Malformed,
    Message,
    Origin,
    RepairedOrigin,
    Subscriptions,
    finer,
    of_connection,
)
from rxfeed.recording.bulk import (
    NO_FRAME,
    NOT_CHOSEN,
    Skimmed,
    bulk_of,
    connection_of,
    epoch_of,
    frame_in,
    frames_size,
    kind_of,
    places,
    size_between,
    skimmed_lines,
    time_of,
    type_of,
)
from rxfeed.recording.chunks import Chunk
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Repairs
from rxfeed.recording.format import Line, malformed_frame
from rxfeed.recording.insertions import Insertions, RepairedIds
from rxfeed.recording.merging import repaired
from rxfeed.recording.pacer import Pacer
from rxfeed.recording.reading import Recording
from rxfeed.recording.recorded_ids import apply, recorded_ids
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.timestamps import moment_of, ns_of
from rxfeed.recording.workers import END, Place
from rxfeed.venues import DeliveredIds

log = logging.getLogger("rxfeed.recording")

# If a larger part of the lines is needed than this, decoding all of them is faster than skimming them first.
_MANY = 0.7
# Most of the lines, of which a pipeline often has one product of many.
_BOOKS = frozenset((BookUpdate, BookSnapshot))
_NO_FRAME = type(None)
_AFTER_INSERTED = 1 << 62


class Player:
    """Plays recordings one after the other. Possible gaps, within a recording or between two, raise all epochs."""

    def __init__(self, streams: FeedStreams, pacer: Pacer, time_range: TimeRange) -> None:
        venue = streams.venue
        self._streams = streams
        self._pacer = pacer
        self._time_range = time_range
        self._takes_all = time_range.everything
        self._continuity: GapDetector = venue.gaps()
        self._dispatcher = Dispatcher(streams, self._continuity)
        self._ids = DeliveredIds()
        self._decode = venue.decoder(stored=True, renamed=self._ids).decode
        self._bulk = bulk_of(venue)
        self._base = 0  # what is added to the epochs as they were recorded
        self._highest = -1
        self._many: frozenset[type[Message]] | None = None  # types that were most of the lines
        self._repairs: Repairs = {}
        self._repaired = RepairedIds({})
        self._trades = frozenset(each.name for each in venue.channels if each.numbering == "trades")
        self._risen: Counter[str | None] = Counter()  # by how much epochs of products are above the recorded ones
        self.part = self._first = self._index = 0
        self._inserted = _AFTER_INSERTED
        self.over = False
        """True once all has been played."""

    @property
    def place(self) -> Place:
        """Where the current message is: the part, the line, and the place in it, or between it and the one before."""
        return END if self.over else (self.part, self._first + self._index, self._inserted, self._dispatcher.place)

    def stop(self) -> None:
        """Hand nothing on any more; from any thread."""
        self._dispatcher.stopping = True

    @property
    def stopping(self) -> bool:
        return self._dispatcher.stopping

    def insert(self, repairs: Repairs) -> None:
        """Insert the trades of *repairs* between the lines of the segments that they complete."""
        self._repairs, self._repaired = repairs, RepairedIds(repairs)

    # ---- between recordings

    def interrupted(self) -> None:
        """Messages of any product may be missing here: all epochs rise."""
        self._base = self._highest + 1
        self._risen.clear()

    def truncated(self, damage: RecordingDamaged) -> None:
        """Report *damage* at this place; all epochs rise."""
        self.interrupted()
        at = self._streams.now()
        self._status(
            RecordingTruncated(at=at, path=damage.path, line=damage.line, offset=damage.offset, reason=damage.reason)
        )

    def play(self, recording: Recording) -> None:
        """Play *recording*; raises `RecordingDamaged` if it ends too early."""
        self.begin_with(recorded_ids(recording), recording.first_ns)
        if recording.kind == "segment":
            self._segment(recording)
        else:
            self._foreign(recording)

    def begin_with(self, ids: DeliveredIds, ns: int) -> None:
        """Report which of the *ids*, with which a recording begins at *ns*, differ from those at this place."""
        for delivered in dict.fromkeys((*self._ids, *ids)):
            if ids[delivered] != self._ids[delivered]:
                change = ProductRenamed(at=moment_of(ns), product_id=ids[delivered], delivered=delivered)
                apply(change, self._ids)
                self._streams.report(change)

    def merged(self, items: Iterable[MergedItem]) -> None:
        """Play the merged items of several recordings, with their merged epochs."""
        for self._index, each in enumerate(items):
            item = each.item
            if isinstance(item, Malformed):
                self._malformed(item)
            elif isinstance(item, RecordingTruncated):  # at any time, since the times of what is lost are not known
                self._status(item)
            elif self._reached(each.ns, getattr(item, "product_id", None)):
                if isinstance(item, Message):
                    self._merged(item, each)
                elif isinstance(item, KeepalivePong):
                    self._streams.pong(item.round_trip)
                else:
                    self._status(item)
            if self.stopping:
                return

    def _merged(self, message: Message, merged: MergedItem) -> None:
        origin = message._origin
        self._streams.stats.repaired += message.repaired
        if not isinstance(origin, FrameOrigin):
            kind = RepairedOrigin if message.repaired else BackfilledOrigin if message.backfilled else Origin
            self._dispatcher.deliver_recorded(message, message.raw, merged.ns, merged.epoch, kind)
            return
        # The other messages of the frame are merged each by itself.
        (place,) = (place for place, epoch in enumerate(origin.epochs) if epoch is not None)
        epochs = tuple(merged.epoch if each == place else None for each in range(len(origin.epochs)))
        messages = (message,) * len(epochs)
        self._dispatcher.deliver_recorded_frame(messages, origin.raw, merged.ns, epochs, origin.repaired)

    # ---- segments

    def _segment(self, recording: Recording) -> None:
        # Decoding many lines at once takes less than half the time of decoding them one by one, and skimming a line
        # takes a third of decoding it. Most pipelines need few types. Other lines are played one by one.
        insertions = self._insertions(recording)
        for chunk in recording.chunks():
            self._first = chunk.line
            plain = not self._risen and (insertions is None or insertions.place >= chunk.line + chunk.count)
            done = plain and (
                self._choose_through(recording, chunk)
                or self._skip_through(recording, chunk)
                or self._all_of(recording, chunk)
            )
            for index in range(done, len(chunk.lines)):
                if insertions is not None and insertions.place <= chunk.line + index:
                    self._index = index
                    self._insert(insertions.take(chunk.line + index), recording.line(chunk, index))
                if not self.stopping:
                    self._line(recording, chunk, index)
            if self.stopping:
                return

    def _insertions(self, recording: Recording) -> Insertions | None:
        header = recording.header
        part = None if header is None else self._repairs.get((header.session, header.segment))
        return None if part is None else Insertions(part.opened())

    def _insert(self, lines: Sequence[Line], following: Line) -> None:
        """Play repaired trades before the *following* line, and with its epoch, which rises where some are lost."""
        recorded = [epoch for epoch in following.epochs or () if epoch is not None] or [following.epoch]
        for self._inserted, line in enumerate(lines):
            if line.lost is not None:
                self._risen[line.lost.product_id] += 1
                continue
            raw = line.raw()
            message = self._decode(raw)
            if not isinstance(message, Message) or not self._reached(line.ns, message.product_id):
                continue
            epoch = self._base + max(recorded) + self._risen[message.product_id]
            self._highest = max(self._highest, epoch)
            self._streams.stats.repaired += 1
            self._dispatcher.deliver_recorded(message, raw, line.ns, epoch, RepairedOrigin)
        self._inserted = _AFTER_INSERTED

    def _choose_through(self, recording: Recording, chunk: Chunk) -> int:
        """As `_skip_through`, where types alone decide: lines are decoded once, most of them into next to nothing."""
        router, scheduler, bulk = self._streams.router, self._pacer.scheduler, self._bulk
        wanted = router.types
        if wanted is None or not bulk.usable or not self._takes_all or self._pacer.paced or not scheduler.begun:
            return 0
        typed = None if router.takes_products_of(_BOOKS) else bulk.chosen_lines(chunk.text, wanted)
        if not typed:
            return 0
        times = [*map(time_of, typed)]
        newest = max(times)
        if newest >= scheduler.next_ns:
            return 0
        epochs, kinds, passed = {*map(epoch_of, typed)}, [*map(kind_of, typed)], bulk.passed
        self._highest = max(self._highest, self._base + max(epochs))
        counted = Counter(kinds)
        lines, done, chosen = chunk.lines, 0, places(kinds, counted, counted.keys() - passed.keys())
        try:
            for index in chosen:
                entry, line, done = typed[index], lines[index], index + 1
                self._index = index
                if entry.frame is None or finer(line):
                    self._line(recording, chunk, index)
                else:
                    scheduler.ns = max(scheduler.ns, entry.ns)
                    kind = of_connection(Origin, entry.connection)
                    epoch = self._base + entry.epoch
                    self._dispatcher.deliver_recorded(entry.frame, frame_in(line), entry.ns, epoch, kind)
                # An observer may have closed the replay, subscribed to more, or scheduled an action.
                if self.stopping or router.types is not wanted or newest >= scheduler.next_ns:
                    return done
            done = len(lines)
        finally:  # all at once, since few lines may be skipped between two that are played
            if done < len(lines):
                counted = Counter(kinds[:done])
            whole = done == len(lines) and _NO_FRAME not in counted and not any(map(connection_of, typed))
            size = size_between(lines, chunk.text, times, epochs) if whole else None
            if size is None:
                size = frames_size([line for line, kind in zip(lines[:done], kinds, strict=False) if kind in passed])
            else:
                size -= sum(len(frame_in(lines[index])) for index in chosen)
            self._dispatcher.count_skipped({passed[kind]: n for kind, n in counted.items() if kind in passed}, size)
        return done

    def _skip_through(self, recording: Recording, chunk: Chunk) -> int:
        """Play the lines of *chunk* that have subscribers, and skip the others; returns the number of lines done.

        It returns 0 if a clock paces the lines, or if an action is due between them.
        """
        router, scheduler = self._streams.router, self._pacer.scheduler
        wanted, kinds_of = router.types, self._bulk.kinds
        if not self._bulk.usable or wanted is None or wanted is self._many or self._pacer.paced or not scheduler.begun:
            return 0
        skimmed = skimmed_lines(chunk.text)
        if not skimmed or (newest := max(map(time_of, skimmed))) >= scheduler.next_ns:
            return 0
        unwanted = {kind for kind, struct in kinds_of.items() if not issubclass(struct, tuple(wanted))} | {NOT_CHOSEN}
        kinds = self._kinds(skimmed)
        self._highest = max(self._highest, self._base + max(map(epoch_of, skimmed)))
        lines, played, done = chunk.lines, 0, 0
        try:
            for index, kind in enumerate(kinds):
                if kind in unwanted:
                    continue
                self._index = index
                if kind in kinds_of and not router.observed(kinds_of[kind], skimmed[index].frame.product_id):
                    continue
                kinds[index], done = NOT_CHOSEN, index + 1
                played += 1
                entry = self._bulk.typed_line(lines[index]) if kind in kinds_of else None
                if entry is None or entry.frame is None:
                    self._line(recording, chunk, index)
                else:  # it is selected, and no action is due before it
                    scheduler.ns = max(scheduler.ns, entry.ns)
                    self._dispatcher.deliver_recorded(
                        entry.frame,
                        frame_in(lines[index]),
                        entry.ns,
                        self._base + entry.epoch,
                        of_connection(Origin, entry.connection),
                    )
                # An observer may have closed the replay, subscribed to more, or scheduled an action.
                if self.stopping or router.types is not wanted or newest >= scheduler.next_ns:
                    return done
            done = len(lines)
        finally:  # all at once, since few lines may be skipped between two that are played
            self._passed_over(kinds[:done], lines[:done])
        if played > _MANY * len(lines):
            self._many = wanted
        return done

    def _kinds(self, skimmed: list[Skimmed]) -> list[str | None]:
        if self._time_range.everything:
            return list(map(type_of, skimmed))
        takes = self._time_range.takes
        return [
            peek.type if peek.type == NO_FRAME or takes(line.ns, peek.product_id) else NOT_CHOSEN
            for line in skimmed
            for peek in (line.frame,)
        ]

    def _passed_over(self, kinds: list[str | None], lines: list[bytes]) -> None:
        counted = Counter(kinds)
        if counted.pop(NOT_CHOSEN, 0):
            lines = [line for line, kind in zip(lines, kinds, strict=True) if kind is not NOT_CHOSEN]
        self._dispatcher.count_skipped(
            {self._bulk.kinds[kind]: count for kind, count in counted.items()}, frames_size(lines)
        )

    def _all_of(self, recording: Recording, chunk: Chunk) -> int:
        """Play all lines of *chunk*, decoded together; returns how many it could play so."""
        dispatcher, base, lines = self._dispatcher, self._base, chunk.lines
        typed = self._bulk.typed_lines(chunk.text) if self._bulk.usable else None
        if typed is None:
            return 0
        self._highest = max(self._highest, base + max(map(epoch_of, typed), default=0))
        scheduler, free = self._pacer.scheduler, self._takes_all and not self._pacer.paced
        for index, entry in enumerate(typed):
            self._index = index
            message, ns = entry.frame, entry.ns
            if message is None:
                self._line(recording, chunk, index)
                base = self._base
            elif free and scheduler.ns <= ns < scheduler.next_ns:
                scheduler.ns = ns
                kind = of_connection(Origin, entry.connection) if entry.connection else Origin
                dispatcher.deliver_recorded(message, frame_in(lines[index]), ns, base + entry.epoch, kind)
            elif self._reached(ns, message.product_id):
                kind = of_connection(Origin, entry.connection) if entry.connection else Origin
                dispatcher.deliver_recorded(message, frame_in(lines[index]), ns, base + entry.epoch, kind)
            if dispatcher.stopping:
                break
        return len(lines)

    def _line(self, recording: Recording, chunk: Chunk, index: int) -> None:
        """Play one line of any kind."""
        self._index = index
        line = recording.line(chunk, index)
        try:
            raw, status = content_of(line)
        except (ValueError, TypeError) as error:
            raise recording.damaged(*chunk.place(index), str(error)) from None
        self.line(line, raw, status)

    def line(self, line: Line, raw: bytes, status: FeedStatus | None) -> None:
        """Play *line* with its content, as `content_of` returns it."""
        if isinstance(status, ProductRenamed):
            apply(status, self._ids)  # also if the replay begins later
        if line.malformed is not None:
            self._malformed(malformed_frame(line))
        elif line.has_frame:
            self.frame(line, raw)
        elif status is not None and self._reached(line.ns, getattr(status, "product_id", None)):
            self._status(status)
        elif line.pong is not None and self._reached(line.ns, None):
            self._streams.pong(line.pong)

    def passed(self, ns: int) -> None:
        """Time has passed until *ns*, without an item."""
        self._reached(ns, None)

    def frame(self, line: Line, raw: bytes) -> None:
        """Play the frame *raw*, with the receipt and the epochs of *line*."""
        message = self._decode(raw)
        epoch = self._base + line.epoch
        self._highest = max(self._highest, epoch)
        if type(message) is Malformed:
            # An earlier version recorded it as a message of this product, so the recorded epochs do not rise here.
            if message.product_id is not None and message.type not in self._streams.venue.without_data:
                self.interrupted()
            self._malformed(replace(message, received_ns=line.ns))
        elif isinstance(message, tuple):
            self._frame(message, raw, line)
        elif self._reached(line.ns, message.product_id):
            epoch += self._risen[message.product_id] if self._risen else 0
            self._highest = max(self._highest, epoch)
            self._dispatcher.deliver_recorded(message, raw, line.ns, epoch, line.origin)

    def _frame(self, messages: tuple[Message, ...], raw: bytes, line: Line) -> None:
        """Play a frame with several messages."""
        recorded = line.epochs or [line.epoch] * len(messages)
        if len(recorded) != len(messages):
            self.interrupted()  # it was decoded in another way when it was recorded
            recorded = [line.epoch] * len(messages)
        messages = repaired(messages, line.repaired or (), self._streams.venue)
        epochs = [
            None if epoch is None else self._base + epoch + (self._risen[message.product_id] if self._risen else 0)
            for message, epoch in zip(messages, recorded, strict=True)
        ]
        self._highest = max(self._highest, *(epoch for epoch in epochs if epoch is not None))
        chosen = tuple(
            epoch if self._takes_all or self._time_range.takes(line.ns, message.product_id) else None
            for message, epoch in zip(messages, epochs, strict=True)
        )
        if any(epoch is not None for epoch in chosen):
            self._pacer.reach(line.ns)
            if not self.stopping:
                places = tuple(line.repaired or ())
                self._dispatcher.deliver_recorded_frame(messages, raw, line.ns, chosen, places, line.connection)

    def _reached(self, ns: int, product_id: str | None) -> bool:
        """Wait until *ns* is due. False if the item is not selected, or if the replay was closed."""
        if not self._takes_all and not self._time_range.takes(ns, product_id):
            return False
        self._pacer.reach(ns)
        return not self._dispatcher.stopping

    def _malformed(self, frame: Malformed) -> None:
        if self._reached(frame.received_ns, frame.product_id):
            self._streams.report_malformed(frame)

    def _status(self, status: FeedStatus) -> None:
        stats = self._streams.stats
        if isinstance(status, Ended):  # that of the recorded feed: the replay emits its own
            return
        if isinstance(status, Gap) and status.channel in self._trades and self._repairs:
            for part in self._parts(status):
                if isinstance(part, Gap):
                    stats.gaps += 1
                    stats.gapped += part.last - part.first + 1
                self._streams.report(part)
            return
        if isinstance(status, Gap):
            stats.gaps += 1
            stats.gapped += status.last - status.first + 1
        elif isinstance(status, Repaired):
            stats.repaired += status.last - status.first + 1
        elif isinstance(status, SequenceReset):
            stats.resets += 1
        elif isinstance(status, Connected):
            stats.connections += 1
        elif isinstance(status, Reconnecting):
            stats.reconnects += 1
        elif isinstance(status, RecordingTruncated):
            log.warning("recording %s: lines from %s on are not played: %s", status.path, status.line, status.reason)
        self._streams.report(status)

    def _parts(self, gap: Gap) -> Iterator[Gap | Repaired]:
        """What of *gap* was repaired, and what was not."""
        for first, last, is_repaired in self._repaired.split(gap.product_id, gap.first, gap.last):
            kind = Repaired if is_repaired else Gap
            yield kind(at=gap.at, product_id=gap.product_id, channel=gap.channel, first=first, last=last)

    # ---- recordings without epochs, and messages

    def _foreign(self, recording: Recording) -> None:
        """A recording without events and epochs: they are found as a feed finds them."""
        streams, continuity, dispatcher = self._streams, self._continuity, self._dispatcher
        if self._highest >= 0:
            continuity.reconnected(self._base)
        first, plain = True, recording.kind == "plain"
        if plain:  # a plain frame has no receipt time, but it was received before now
            continuity.received(time.time_ns())
        self._first = 0
        for self._index, (ns, raw) in enumerate(recording.frames()):
            if not plain:
                continuity.received(ns)
            message = self._decode(raw)
            if isinstance(message, Subscriptions):
                continuity.watch(
                    (channel.name, product)
                    for channel in message.channels
                    for product in channel.product_ids or (None,)
                )
            if isinstance(message, tuple):
                due = self._several_due(message, ns)
            else:
                due = self._reached(ns, message.product_id)
            if not due:
                if dispatcher.stopping:
                    return
                continue
            if first:
                first = False
                self._status(Connected(url=recording.path, at=moment_of(ns)))
            if isinstance(message, Malformed):
                dispatcher.report_malformed(message, ns)
            elif isinstance(message, tuple):
                dispatcher.frames_of_several(message, raw, ns)
            elif dispatcher.is_fresh_frame(message, raw, ns):
                if isinstance(message, Subscriptions):
                    streams.report(Subscribed(channels=message.channels, at=moment_of(ns)))
                dispatcher.deliver_recorded(message, raw, ns, continuity.epoch_of(message))
            self._highest = continuity.highest
            if dispatcher.stopping:
                return

    def _several_due(self, messages: tuple[Message, ...], ns: int) -> bool:
        """As `_reached`, for a frame with several messages, of which all are played if one is selected."""
        if not self._takes_all and not any(self._time_range.takes(ns, each.product_id) for each in messages):
            return False
        self._pacer.reach(ns)
        return not self._dispatcher.stopping

    def message(self, message: Message) -> None:
        """Play *message*, as it is, at the time of its receipt; where that is not known, at its own."""
        if self._reached(received(message) or self._pacer.scheduler.ns, message.product_id):
            self._dispatcher.deliver(message)


def content_of(line: Line) -> tuple[bytes, FeedStatus | None]:
    """The frame and the status in *line*; raises `ValueError` or `TypeError` if it is not valid."""
    return line.raw() if line.has_frame else b"", status_of(line) if line.has_status else None


def received(message: Message) -> int:
    """Unix nanoseconds of the message's receipt, or of its own time if it has no receipt; 0 if it has neither."""
    return message.received_ns or (0 if message.time is None else ns_of(message.time))
