"""Reads recordings part by part for other uses than a replay: many messages at once, with the epochs of a replay.

Rules:
- Epochs are those of a `Replay` of the same parts: they rise between two sessions, where segments are missing, and at
  damage. `Epochs` has what they depend on, so that a later process can continue after the last part.
- A segment is read a chunk at a time. If a receiver takes texts, and the venue has structs for them, a chunk is decoded
  without making numbers; if that fails, or the receiver refuses the texts, the chunk is decoded into messages.
- Trades that were requested later, and what is lost for good, are inserted where a replay inserts them.
- A file that is no segment has neither epochs nor events; it is played by a `Replay` of its own.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import msgspec

from rxfeed.errors import RecordingDamaged
from rxfeed.feed import FeedStatus, ProductRenamed, RecordingTruncated
from rxfeed.market import LONG, Malformed, Message, Origin, RepairedOrigin, Trade, finer, frame_origin, stamp
from rxfeed.recording.bulk import REPAIRED, bulk_of, epoch_of, frame_in, together
from rxfeed.recording.chunks import Chunk
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Part
from rxfeed.recording.format import Line
from rxfeed.recording.insertions import Insertions, epoch_before, is_of_trades, unproven
from rxfeed.recording.merging import repaired
from rxfeed.recording.reading import Recording
from rxfeed.recording.recorded_ids import apply, recorded_ids
from rxfeed.recording.replay import Replay
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.timestamps import Moment
from rxfeed.venues import DeliveredIds, Venue, tag_of

_CHUNKS = 8
"""Chunks of a segment that are decoded into texts together."""
_UNTRIED = 16
"""Times that chunks are decoded into messages at once, after texts were not taken."""
_AT_ONCE = 1000
"""Messages of a file that is no segment, which are passed on together."""


class Epochs(msgspec.Struct):
    """What the epochs of the next part depend on: the *base* that is added to recorded ones, and the *highest* so far.

    *session* and *number*: those of the last part; empty before the first. *risen*: by how much the epochs of products'
    trades are above the recorded ones, because some are lost.
    """

    base: int = 0
    highest: int = -1
    session: str = ""
    number: int = 0
    risen: dict[str, int] = {}

    def interrupted(self) -> None:
        """Messages of any product may be missing here: all epochs rise."""
        self.base, self.risen = self.highest + 1, {}

    def of(self, recorded: int, message: Message | None) -> int:
        """The epoch of *message* (`None`: it is malformed), which has the *recorded* one."""
        number = self.base + recorded + (self.risen_of(message) if self.risen and message is not None else 0)
        self.highest = max(self.highest, number)
        return number

    def risen_of(self, message: Message) -> int:
        return self.risen.get(message.product_id or "", 0) if is_of_trades(message) else 0

    def rise(self, product: str) -> None:
        """Trades of *product* may be missing here."""
        self.risen[product] = self.risen.get(product, 0) + 1


class TextLine(Protocol):
    """A line with the texts of its frame, a message, or `None` if it has no frame, or one that is not selected."""

    ns: int
    epoch: int
    frame: Any


class Receiver(Protocol):
    """What takes the content of recordings, in its order."""

    def take_messages(self, messages: list[Message]) -> None: ...
    def take_texts(self, lines: list[TextLine], base: int) -> bool:
        """Take decoded lines, the epochs of which are *base* lower than they should be. False: nothing was taken."""
        ...


class Contents:
    """Passes the messages of parts to *receiver*: those of *kinds* (and subclasses) in *time_range*.

    *texts*: the receiver takes texts.
    """

    def __init__(
        self,
        venue: Venue,
        receiver: Receiver,
        kinds: Sequence[type[Message]],
        time_range: TimeRange,
        epochs: Epochs,
        *,
        texts: bool = False,
    ) -> None:
        self.epochs = epochs
        self._venue = venue
        self._receiver = receiver
        self._kinds = tuple(kinds)
        self._range = time_range
        self._bulk = bulk_of(venue)
        self._texts = _text_decoder(venue, self._kinds) if texts and venue.texts else None
        self._untried = 0
        self._ids = DeliveredIds()
        self._decode = venue.decoder(stored=True, renamed=self._ids).decode

    def read(self, part: Part, repair: Part | None = None) -> RecordingDamaged | None:
        """Pass on all of *part*, with the trades of its *repair*; returns the damage at which it ended."""
        epochs = self.epochs
        follows = epochs.session == part.session and epochs.number == part.number - 1
        if epochs.session and not follows:
            epochs.interrupted()
        epochs.session, epochs.number = part.session, part.number
        try:
            recording = part.opened()
            self._ids.clear()
            self._ids.update(recorded_ids(recording))
            if recording.kind == "segment" and repair is not None:
                self._completed(recording, Insertions(repair.opened()))
            elif recording.kind == "segment":
                self._segment(recording)
            else:
                self._foreign(recording)
        except RecordingDamaged as damage:
            epochs.interrupted()
            return damage
        return None

    # ---- segments

    def _segment(self, recording: Recording) -> None:
        several: list[Chunk] = []
        try:
            for chunk in recording.chunks():
                several.append(chunk)
                if self._texts is None or len(several) == _CHUNKS:
                    ready, several = several, []
                    self._chunks(recording, ready)
        except RecordingDamaged:
            self._chunks(recording, several)  # those before the damage
            raise
        self._chunks(recording, several)

    def _completed(self, recording: Recording, insertions: Insertions) -> None:
        """A segment with trades that belong between its lines, and behind the last one."""
        try:
            self._between(recording, insertions)
        finally:
            if lines := insertions.rest():
                self._insert(lines, None)

    def _between(self, recording: Recording, insertions: Insertions) -> None:
        for chunk in recording.chunks():
            count, begin = len(chunk.lines), 0
            if insertions.place >= chunk.line + count:
                self._chunks(recording, [chunk])
                continue
            while begin < count:
                if insertions.place <= chunk.line + begin:
                    self._insert(insertions.take(chunk.line + begin), recording.line(chunk, begin))
                end = min(count, insertions.place - chunk.line)
                self._lines(recording, chunk, range(begin, end))
                begin = end

    def _insert(self, lines: Sequence[Line], following: Line | None) -> None:
        recorded = epoch_before(following, self.epochs.highest - self.epochs.base)
        messages: list[Message] = []
        last: dict[str, int] = {}
        for line in lines:
            if line.lost is not None:
                self.epochs.rise(line.lost.product_id)
                last.pop(line.lost.product_id, None)
            elif isinstance(trade := self._decode(line.raw()), Trade):
                last[trade.product_id] = trade.trade_id
                messages += self._late(line, trade, recorded)
        self._pass(messages)
        for product in unproven(last, following, self._decode):
            self.epochs.rise(product)

    def _late(self, line: Line, trade: Trade, recorded: int) -> list[Message]:
        """The *trade* in *line*, which was requested later, if it is selected."""
        if not self._range.takes(line.ns, trade.product_id):
            return []
        epoch = self.epochs.of(recorded, trade)
        return [stamp(trade, RepairedOrigin(line.raw(), line.ns, epoch))] if isinstance(trade, self._kinds) else []

    def late(self, repair: Part, known: Callable[[str, int], bool]) -> list[Message]:
        """The trades of *repair* that are not *known* by product and id, for a segment that was read without them."""
        found: list[Message] = []
        for line in Insertions(repair.opened()).rest():
            trade = self._decode(line.raw()) if line.has_frame else None
            if isinstance(trade, Trade) and not known(trade.product_id, trade.trade_id):
                found += self._late(line, trade, 0)
        return found

    def _chunks(self, recording: Recording, chunks: list[Chunk]) -> None:
        tries = self._texts is not None and not self.epochs.risen and self._tries_texts()
        if not chunks or (tries and self._take_texts(recording, chunks)):
            return
        self._untried = _UNTRIED
        for chunk in chunks:
            self._chunk(recording, chunk)

    def _tries_texts(self) -> bool:
        """False for some time after texts were not taken: a recording with a book may have none that are."""
        self._untried -= 1
        return self._untried < 0

    def _chunk(self, recording: Recording, chunk: Chunk) -> None:
        typed = self._bulk.typed_lines(chunk.text) if self._bulk.usable else None
        if typed is None:
            self._lines(recording, chunk, range(len(chunk.lines)))
            return
        messages: list[Message] = []
        epochs, kinds, everything, takes = self.epochs, self._kinds, self._range.everything, self._range.takes
        for index, entry in enumerate(typed):
            message = entry.frame
            if message is None:
                self._pass(messages)
                messages = []
                self._lines(recording, chunk, (index,))
                continue
            epoch = entry.epoch + epochs.base
            if epochs.risen:
                epoch += epochs.risen_of(message)
            if epoch > epochs.highest:
                epochs.highest = epoch
            if isinstance(message, kinds) and (everything or takes(entry.ns, message.product_id)):
                origin = Origin(frame_in(chunk.lines[index]), entry.ns, epoch)
                messages.append(stamp(message, origin))
        self._pass(messages)

    def _take_texts(self, recording: Recording, chunks: list[Chunk]) -> bool:
        assert self._texts is not None
        several: list[TextLine] = []
        texts = frozenset[type[object]](self._venue.texts)
        events: list[tuple[Chunk, int]] = []  # lines of other kinds, which have no place in a table
        for chunk in chunks:
            plain = len(chunk.text) <= LONG and REPAIRED not in chunk.text
            lines = together(self._texts, chunk.text) if plain else None
            if lines is None:
                return False
            for index, line in enumerate(lines):
                if type(line.frame) in texts:
                    continue
                if line.frame is None:
                    events.append((chunk, index))
                elif isinstance(line.frame, Message) and finer(chunk.lines[index]):
                    return False  # msgspec rounds its time
            several += lines
        if not self._range.everything:
            takes = self._range.takes
            several = [line for line in several if takes(line.ns, getattr(line.frame, "product_id", None))]
        epochs = self.epochs
        highest = max(map(epoch_of, several), default=0) + epochs.base
        if not self._receiver.take_texts(several, epochs.base):
            return False
        epochs.highest = max(epochs.highest, highest)
        for chunk, index in events:
            self._lines(recording, chunk, (index,))
        return True

    def _lines(self, recording: Recording, chunk: Chunk, places: Sequence[int]) -> None:
        """Pass on the lines of *chunk* at *places*, which are of any kind, one by one."""
        messages: list[Message] = []
        try:
            for index in places:
                line = recording.line(chunk, index)
                try:
                    if line.malformed is None and line.has_frame:
                        self._frame(line, messages)
                    elif line.has_status:
                        self._status(line)
                except (ValueError, TypeError) as error:
                    raise recording.damaged(*chunk.place(index), str(error)) from None
        except RecordingDamaged:
            self._pass(messages)  # those before the damage
            raise
        self._pass(messages)

    def _status(self, line: Line) -> None:
        status = status_of(line)
        if isinstance(status, ProductRenamed):
            apply(status, self._ids)

    def _frame(self, line: Line, messages: list[Message]) -> None:
        raw, epochs, takes = line.raw(), self.epochs, self._range.takes
        decoded = self._decode(raw)
        if isinstance(decoded, Malformed):
            epochs.of(line.epoch, None)
            # An earlier version recorded it as a message of this product.
            if decoded.product_id is not None and decoded.type not in self._venue.without_data:
                epochs.interrupted()
            return
        if not isinstance(decoded, tuple):
            epoch = epochs.of(line.epoch, decoded)
            if isinstance(decoded, self._kinds) and takes(line.ns, decoded.product_id):
                messages.append(stamp(decoded, line.origin(raw, line.ns, epoch)))
            return
        recorded = line.epochs or [line.epoch] * len(decoded)
        if len(recorded) != len(decoded):
            epochs.interrupted()  # it was decoded in another way when it was recorded
            recorded = [line.epoch] * len(decoded)
        places = tuple(line.repaired or ())
        own = tuple(
            None if epoch is None else epochs.of(epoch, message)
            for epoch, message in zip(recorded, decoded, strict=True)
        )
        for place, (message, epoch) in enumerate(zip(repaired(decoded, places, self._venue), own, strict=True)):
            if epoch is not None and isinstance(message, self._kinds) and takes(line.ns, message.product_id):
                messages.append(stamp(message, frame_origin(raw, line.ns, epoch, own, places, place)))

    def _pass(self, messages: list[Message]) -> None:
        if messages:
            self._receiver.take_messages(messages)

    # ---- other files

    def _foreign(self, recording: Recording) -> None:
        epochs, base, takes = self.epochs, self.epochs.base, self._range.takes
        failures: list[Exception] = []
        damages: list[RecordingTruncated] = []
        several: list[Message] = []
        replay = Replay(recording.path, venue=self._venue)

        def take(message: Message) -> None:
            epochs.highest = max(epochs.highest, base + message.epoch)
            if isinstance(message, self._kinds) and takes(message.received_ns, message.product_id):
                origin = message._origin
                if base and origin is not None:
                    stamp(message, msgspec.structs.replace(origin, epoch=base + origin.epoch))
                several.append(message)
                if len(several) == _AT_ONCE:
                    self._pass(several[:])
                    several.clear()

        def take_status(status: FeedStatus) -> None:
            if isinstance(status, RecordingTruncated):
                damages.append(status)

        replay.subscribe(take, failures.append)
        replay.status.subscribe(take_status, failures.append)
        replay.serve()
        if failures:
            raise failures[0]
        self._pass(several)
        for damage in damages[:1]:
            raise recording.damaged(damage.line, damage.offset, damage.reason)


@functools.cache
def _text_decoder(venue: Venue, kinds: tuple[type[Message], ...]) -> Callable[[bytes], list[TextLine]]:
    """Decodes lines with frames of *venue*: those of *kinds* into texts where there are structs for them."""
    by_tag = {str(each.__struct_config__.tag): each for each in venue.texts}
    union: list[type[msgspec.Struct]] = []
    for kind in venue.quick_types:
        tag = tag_of(kind)
        if not issubclass(kind, kinds):
            union.append(msgspec.defstruct("Passed", [], tag=tag, gc=False))
        else:
            union.append(by_tag.get(tag, kind))
    frame = functools.reduce(operator.or_, union)
    line = msgspec.defstruct(
        "TextLine", [("ns", Moment), ("epoch", int, 0), ("frame", frame | None, None)], bases=(), gc=False
    )
    return msgspec.json.Decoder(cast("type[TextLine]", line)).decode_lines
