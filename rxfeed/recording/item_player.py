"""Emits single items of recordings on the streams of a replay: frames, statuses, malformed frames, pongs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

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
)
from rxfeed.market import BackfilledOrigin, FrameOrigin, Malformed, Message, Origin, RepairedOrigin
from rxfeed.recording.events import status_of
from rxfeed.recording.files import Repairs
from rxfeed.recording.format import Line, malformed_frame
from rxfeed.recording.insertions import RepairedIds, is_of_trades
from rxfeed.recording.merging import repaired
from rxfeed.recording.pacer import Pacer
from rxfeed.recording.recorded_ids import apply
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.timestamps import moment_of, ns_of
from rxfeed.venues import DeliveredIds

log = logging.getLogger("rxfeed.recording")

AFTER_INSERTED = 1 << 62
"""The place of a line behind the repaired trades before it."""


class ItemPlayer:
    """Plays one item at a time, when its time has come. Possible gaps raise all epochs."""

    def __init__(self, streams: FeedStreams, pacer: Pacer, time_range: TimeRange) -> None:
        venue = streams.venue
        self.streams, self.pacer = streams, pacer
        self._time_range = time_range
        self.takes_all = time_range.everything
        self.continuity: GapDetector = venue.gaps()
        self.dispatcher = Dispatcher(streams, self.continuity)
        self._ids = DeliveredIds()
        self.decode = venue.decoder(stored=True, renamed=self._ids).decode
        self.base = 0
        """What is added to the epochs as they were recorded."""
        self.highest = -1
        """The highest epoch so far."""
        self.risen: Counter[str | None] = Counter()
        """By how much the epochs of products' trades are above the recorded ones."""
        self.first = self.index = 0
        self.inserted = AFTER_INSERTED
        """The place of the current item: its line is *first* + *index*."""
        self._repairs: Repairs = {}
        self._repaired = RepairedIds({})
        self._trades = frozenset(each.name for each in venue.channels if each.numbering == "trades")

    def use(self, repairs: Repairs) -> None:
        """The trades of *repairs* are played; gaps are reported without them."""
        self._repairs, self._repaired = repairs, RepairedIds(repairs)

    # ---- between recordings

    def interrupted(self) -> None:
        """Messages of any product may be missing here: all epochs rise."""
        self.base = self.highest + 1
        self.risen.clear()

    def truncated(self, damage: RecordingDamaged) -> None:
        """Report *damage* at this place; all epochs rise."""
        self.interrupted()
        at = self.streams.now()
        self.status(
            RecordingTruncated(at=at, path=damage.path, line=damage.line, offset=damage.offset, reason=damage.reason)
        )

    def begin_with(self, ids: DeliveredIds, ns: int) -> None:
        """Report which of the *ids*, with which a recording begins at *ns*, differ from those at this place."""
        for delivered in dict.fromkeys((*self._ids, *ids)):
            if ids[delivered] != self._ids[delivered]:
                change = ProductRenamed(at=moment_of(ns), product_id=ids[delivered], delivered=delivered)
                apply(change, self._ids)
                self.streams.report(change)

    # ---- items

    def merged(self, each: MergedItem) -> None:
        """Play an item of several merged recordings, with its merged epoch."""
        item = each.item
        if isinstance(item, Malformed):
            self.malformed(item)
        elif isinstance(item, RecordingTruncated):  # at any time, since the times of what is lost are not known
            self.status(item)
        elif self.reached(each.ns, getattr(item, "product_id", None)):
            if isinstance(item, Message):
                self._merged(item, each)
            elif isinstance(item, KeepalivePong):
                self.streams.pong(item.round_trip)
            else:
                self.status(item)

    def _merged(self, message: Message, merged: MergedItem) -> None:
        origin = message._origin
        self.streams.stats.repaired += message.repaired
        if not isinstance(origin, FrameOrigin):
            kind = RepairedOrigin if message.repaired else BackfilledOrigin if message.backfilled else Origin
            self.dispatcher.deliver_recorded(message, message.raw, merged.ns, merged.epoch, kind)
            return
        # The other messages of the frame are merged each by itself.
        (place,) = (place for place, epoch in enumerate(origin.epochs) if epoch is not None)
        epochs = tuple(merged.epoch if each == place else None for each in range(len(origin.epochs)))
        messages = (message,) * len(epochs)
        self.dispatcher.deliver_recorded_frame(messages, origin.raw, merged.ns, epochs, origin.repaired)

    def line(self, line: Line, raw: bytes, status: FeedStatus | None) -> None:
        """Play *line* with its content, as `content_of` returns it."""
        if isinstance(status, ProductRenamed):
            apply(status, self._ids)  # also if the replay begins later
        if line.malformed is not None:
            self.malformed(malformed_frame(line))
        elif line.has_frame:
            self.frame(line, raw)
        elif status is not None and self.reached(line.ns, getattr(status, "product_id", None)):
            self.status(status)
        elif line.pong is not None and self.reached(line.ns, None):
            self.streams.pong(line.pong)

    def frame(self, line: Line, raw: bytes) -> None:
        """Play the frame *raw*, with the receipt and the epochs of *line*."""
        message = self.decode(raw)
        epoch = self.base + line.epoch
        self.highest = max(self.highest, epoch)
        if type(message) is Malformed:
            # An earlier version recorded it as a message of this product, so the recorded epochs do not rise here.
            if message.product_id is not None and message.type not in self.streams.venue.without_data:
                self.interrupted()
            self.malformed(replace(message, received_ns=line.ns))
        elif isinstance(message, tuple):
            self._frame(message, raw, line)
        elif self.reached(line.ns, message.product_id):
            epoch += self.risen[message.product_id] if self.risen and is_of_trades(message) else 0
            self.highest = max(self.highest, epoch)
            self.dispatcher.deliver_recorded(message, raw, line.ns, epoch, line.origin)

    def _frame(self, messages: tuple[Message, ...], raw: bytes, line: Line) -> None:
        """Play a frame with several messages."""
        recorded = line.epochs or [line.epoch] * len(messages)
        if len(recorded) != len(messages):
            self.interrupted()  # it was decoded in another way when it was recorded
            recorded = [line.epoch] * len(messages)
        messages = repaired(messages, line.repaired or (), self.streams.venue)
        risen = self.risen
        epochs = [
            None
            if epoch is None
            else self.base + epoch + (risen[each.product_id] if risen and is_of_trades(each) else 0)
            for each, epoch in zip(messages, recorded, strict=True)
        ]
        self.highest = max(self.highest, *(epoch for epoch in epochs if epoch is not None))
        chosen = tuple(
            epoch if self.takes_all or self._time_range.takes(line.ns, message.product_id) else None
            for message, epoch in zip(messages, epochs, strict=True)
        )
        if any(epoch is not None for epoch in chosen):
            self.pacer.reach(line.ns)
            if not self.dispatcher.stopping:
                places = tuple(line.repaired or ())
                self.dispatcher.deliver_recorded_frame(messages, raw, line.ns, chosen, places, line.connection)

    def reached(self, ns: int, product_id: str | None) -> bool:
        """Wait until *ns* is due. False if the item is not selected, or if the replay was closed."""
        if not self.takes_all and not self._time_range.takes(ns, product_id):
            return False
        self.pacer.reach(ns)
        return not self.dispatcher.stopping

    def several_due(self, messages: tuple[Message, ...], ns: int) -> bool:
        """As `reached`, for a frame with several messages, of which all are played if one is selected."""
        if not self.takes_all and not any(self._time_range.takes(ns, each.product_id) for each in messages):
            return False
        self.pacer.reach(ns)
        return not self.dispatcher.stopping

    def malformed(self, frame: Malformed) -> None:
        if self.reached(frame.received_ns, frame.product_id):
            self.streams.report_malformed(frame)

    def status(self, status: FeedStatus) -> None:
        stats = self.streams.stats
        if isinstance(status, Ended):  # that of the recorded feed: the replay emits its own
            return
        if isinstance(status, Gap) and status.channel in self._trades and self._repairs:
            for part in self._parts(status):
                if isinstance(part, Gap):
                    stats.gaps += 1
                    stats.gapped += part.last - part.first + 1
                self.streams.report(part)
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
        self.streams.report(status)

    def _parts(self, gap: Gap) -> Iterator[Gap | Repaired]:
        """What of *gap* was repaired, and what was not."""
        for first, last, is_repaired in self._repaired.split(gap.product_id, gap.first, gap.last):
            kind = Repaired if is_repaired else Gap
            yield kind(at=gap.at, product_id=gap.product_id, channel=gap.channel, first=first, last=last)

    def message(self, message: Message) -> None:
        """Play *message*, as it is, at the time of its receipt; where that is not known, at its own."""
        if self.reached(received(message) or self.pacer.scheduler.ns, message.product_id):
            self.dispatcher.deliver(message)


def content_of(line: Line) -> tuple[bytes, FeedStatus | None]:
    """The frame and the status in *line*; raises `ValueError` or `TypeError` if it is not valid."""
    return line.raw() if line.has_frame else b"", status_of(line) if line.has_status else None


def received(message: Message) -> int:
    """Unix nanoseconds of the message's receipt, or of its own time if it has no receipt; 0 if it has neither."""
    return message.received_ns or (0 if message.time is None else ns_of(message.time))
