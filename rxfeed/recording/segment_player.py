"""Plays segments, a chunk of lines at a time. Most lines are not decoded, or many are at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rxfeed.errors import RecordingDamaged
from rxfeed.market import BookSnapshot, BookUpdate, Message, Origin, RepairedOrigin, Trade, finer, of_connection
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
from rxfeed.recording.files import Repairs
from rxfeed.recording.format import Line
from rxfeed.recording.insertions import Insertions, epoch_before, unproven
from rxfeed.recording.item_player import AFTER_INSERTED, ItemPlayer, content_of
from rxfeed.recording.reading import Recording
from rxfeed.recording.time_range import TimeRange

# If a larger part of the lines is needed than this, decoding all of them is faster than skimming them first.
_MANY = 0.7
# Most of the lines, of which a pipeline often has one product of many.
_BOOKS = frozenset((BookUpdate, BookSnapshot))
_NO_FRAME = type(None)


class SegmentPlayer:
    """Plays segments with *items*, which plays the lines that are not decoded together."""

    def __init__(self, items: ItemPlayer, time_range: TimeRange) -> None:
        self._items, self._streams, self._pacer = items, items.streams, items.pacer
        self._dispatcher, self._takes_all = items.dispatcher, items.takes_all
        self._time_range = time_range
        self._bulk = bulk_of(items.streams.venue)
        self._many: frozenset[type[Message]] | None = None  # types that were most of the lines
        self._repairs: Repairs = {}

    def use(self, repairs: Repairs) -> None:
        """From now on the trades of *repairs* are played between the lines of the segments that they complete."""
        self._repairs = repairs

    def play(self, recording: Recording) -> None:
        """Play *recording*, which has epochs and events."""
        # Decoding many lines at once takes less than half the time of decoding them one by one, and skimming a line
        # takes a third of decoding it. Most pipelines need few types. Other lines are played one by one.
        insertions = self._insertions(recording)
        try:
            self._chunks(recording, insertions)
        except RecordingDamaged:
            self._insert_rest(insertions)
            raise
        self._insert_rest(insertions)

    def _chunks(self, recording: Recording, insertions: Insertions | None) -> None:
        for chunk in recording.chunks():
            self._items.first = chunk.line
            plain = not self._items.risen and (insertions is None or insertions.place >= chunk.line + chunk.count)
            done = plain and (
                self._choose_through(recording, chunk)
                or self._skip_through(recording, chunk)
                or self._all_of(recording, chunk)
            )
            for index in range(done, len(chunk.lines)):
                if insertions is not None and insertions.place <= chunk.line + index:
                    self._items.index = index
                    self._insert(insertions.take(chunk.line + index), recording.line(chunk, index))
                if not self._dispatcher.stopping:
                    self._line(recording, chunk, index)
            if self._dispatcher.stopping:
                return

    def _insertions(self, recording: Recording) -> Insertions | None:
        header = recording.header
        part = None if header is None else self._repairs.get((header.session, header.segment))
        return None if part is None else Insertions(part.opened())

    def _insert_rest(self, insertions: Insertions | None) -> None:
        """Play the repaired trades that belong behind the last line."""
        if insertions is not None and not self._dispatcher.stopping and (lines := insertions.rest()):
            self._items.index += 1
            self._insert(lines, None)

    def _insert(self, lines: Sequence[Line], following: Line | None) -> None:
        """Play repaired trades before the *following* line, and with its epoch, which rises where some are lost."""
        recorded = epoch_before(following, self._items.highest - self._items.base)
        last: dict[str, int] = {}
        for self._items.inserted, line in enumerate(lines):
            if line.lost is not None:
                self._items.risen[line.lost.product_id] += 1
                last.pop(line.lost.product_id, None)
                continue
            raw = line.raw()
            message = self._items.decode(raw)
            if not isinstance(message, Trade):
                continue
            last[message.product_id] = message.trade_id
            if not self._items.reached(line.ns, message.product_id):
                continue
            epoch = self._items.base + recorded + self._items.risen[message.product_id]
            self._items.highest = max(self._items.highest, epoch)
            self._streams.stats.repaired += 1
            self._dispatcher.deliver_recorded(message, raw, line.ns, epoch, RepairedOrigin)
        self._items.inserted = AFTER_INSERTED
        self._items.risen.update(unproven(last, following, self._items.decode))

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
        self._items.highest = max(self._items.highest, self._items.base + max(epochs))
        counted = Counter(kinds)
        lines, done, chosen = chunk.lines, 0, places(kinds, counted, counted.keys() - passed.keys())
        try:
            for index in chosen:
                entry, line, done = typed[index], lines[index], index + 1
                self._items.index = index
                if entry.frame is None or finer(line):
                    self._line(recording, chunk, index)
                else:
                    scheduler.ns = max(scheduler.ns, entry.ns)
                    kind = of_connection(Origin, entry.connection) if entry.connection else Origin
                    epoch = self._items.base + entry.epoch
                    self._dispatcher.deliver_recorded(entry.frame, frame_in(line), entry.ns, epoch, kind)
                # An observer may have closed the replay, subscribed to more, or scheduled an action.
                if self._dispatcher.stopping or router.types is not wanted or newest >= scheduler.next_ns:
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
        self._items.highest = max(self._items.highest, self._items.base + max(map(epoch_of, skimmed)))
        lines, played, done = chunk.lines, 0, 0
        try:
            for index, kind in enumerate(kinds):
                if kind in unwanted:
                    continue
                self._items.index = index
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
                        self._items.base + entry.epoch,
                        of_connection(Origin, entry.connection),
                    )
                # An observer may have closed the replay, subscribed to more, or scheduled an action.
                if self._dispatcher.stopping or router.types is not wanted or newest >= scheduler.next_ns:
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
        dispatcher, base, lines = self._dispatcher, self._items.base, chunk.lines
        typed = self._bulk.typed_lines(chunk.text) if self._bulk.usable else None
        if typed is None:
            return 0
        self._items.highest = max(self._items.highest, base + max(map(epoch_of, typed), default=0))
        scheduler, free = self._pacer.scheduler, self._takes_all and not self._pacer.paced
        for index, entry in enumerate(typed):
            self._items.index = index
            message, ns = entry.frame, entry.ns
            if message is None:
                self._line(recording, chunk, index)
                base = self._items.base
            elif free and scheduler.ns <= ns < scheduler.next_ns:
                scheduler.ns = ns
                kind = of_connection(Origin, entry.connection) if entry.connection else Origin
                dispatcher.deliver_recorded(message, frame_in(lines[index]), ns, base + entry.epoch, kind)
            elif self._items.reached(ns, message.product_id):
                kind = of_connection(Origin, entry.connection) if entry.connection else Origin
                dispatcher.deliver_recorded(message, frame_in(lines[index]), ns, base + entry.epoch, kind)
            if dispatcher.stopping:
                break
        return len(lines)

    def _line(self, recording: Recording, chunk: Chunk, index: int) -> None:
        """Play one line of any kind."""
        self._items.index = index
        line = recording.line(chunk, index)
        try:
            raw, status = content_of(line)
        except (ValueError, TypeError) as error:
            raise recording.damaged(*chunk.place(index), str(error)) from None
        self._items.line(line, raw, status)
