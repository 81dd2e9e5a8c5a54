"""What the lines of a recording do to those who listen."""

from __future__ import annotations

from operator import attrgetter

import msgspec

from rxfeed.core import Continuity
from rxfeed.feed.delivery import Delivery
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.status import Connected, Ended, FeedStatus, Gap, Reconnecting, Subscribed, Torn
from rxfeed.messages import Malformed, Message, Subscriptions
from rxfeed.protocol.decode import LEVEL3_SCHEMA, Decoder, Known
from rxfeed.recording.choice import Choice
from rxfeed.recording.events import status_of
from rxfeed.recording.format import Line, decode_line
from rxfeed.recording.moments import moment_of, ns_of
from rxfeed.recording.pace import Timeline
from rxfeed.recording.reading import Chunk, Recording


class _Typed(msgspec.Struct, gc=False):
    """A line, and in it the message, of a known type; `None` where there is none."""

    ns: int
    epoch: int = 0
    frame: Known | None = None


_decode_typed = msgspec.json.Decoder(_Typed).decode_lines
_epoch_of = attrgetter("epoch")


class Player:
    """Plays recordings one after the other; whatever may be missing between two, and in one, raises all epochs."""

    def __init__(self, outlets: Outlets, timeline: Timeline, choice: Choice) -> None:
        self._outlets = outlets
        self._timeline = timeline
        self._choice = choice
        self._continuity = Continuity()
        self._delivery = Delivery(outlets, self._continuity)
        self._decode = Decoder().decode
        self._decode(LEVEL3_SCHEMA)
        self._base = 0  # what is added to the epochs as they were recorded
        self._highest = -1

    def stop(self) -> None:
        """Hand nothing on any more; from any thread."""
        self._delivery.stopping = True

    @property
    def stopping(self) -> bool:
        return self._delivery.stopping

    # ---- between recordings

    def interrupted(self) -> None:
        """Anything may be missing here."""
        self._base = self._highest + 1

    def torn(self, path: str, line: int, offset: int, reason: str) -> None:
        """Something is missing here, and this is why."""
        self.interrupted()
        self._outlets.report(Torn(at=self._outlets.now(), path=path, line=line, offset=offset, reason=reason))

    def play(self, recording: Recording) -> None:
        """Play *recording*; raises `RecordingDamaged` where it ends too early."""
        if recording.kind == "segment":
            self._segment(recording)
        else:
            self._foreign(recording)

    # ---- segments

    def _segment(self, recording: Recording) -> None:
        for chunk in recording.chunks():
            typed = _typed(chunk.text)
            if typed is None:
                for index, line in enumerate(chunk.lines()):
                    self._line(recording.line(chunk, index, line))
                    if self._delivery.stopping:
                        return
            else:
                self._at_once(recording, chunk, typed)
            if self._delivery.stopping:
                return

    def _at_once(self, recording: Recording, chunk: Chunk, typed: list[_Typed]) -> None:
        """The lines of *chunk*, which were decoded together: that takes two thirds of what each by itself would."""
        delivery, timeline, base = self._delivery, self._timeline, self._base
        scheduler, paced = timeline.scheduler, timeline.paced
        takes = None if self._choice.everything else self._choice.takes
        count = delivery.count
        self._highest = max(self._highest, base + max(map(_epoch_of, typed), default=0))
        for index, (line, entry) in enumerate(zip(chunk.lines(), typed, strict=True)):
            message = entry.frame
            if message is None:
                self._line(recording.line(chunk, index, line))
            else:
                ns = entry.ns
                if takes is not None and not takes(ns, message.product_id):
                    continue
                if paced or ns >= scheduler.next_ns:
                    timeline.reach(ns)
                    if delivery.stopping:
                        return
                observers = count(message, len(line) - line.index(b'"frame":') - 9)
                if not observers:  # most pipelines want few of the types: the others cost no more than their decoding
                    continue
                if ns > scheduler.ns:
                    scheduler.ns = ns
                delivery.hand_on(observers, message, decode_line(line).raw(), ns, base + entry.epoch)
            if delivery.stopping:
                return

    def _line(self, line: Line) -> None:
        """A line by itself, whatever it says."""
        if line.malformed is not None:
            self._malformed(Malformed(line.raw(), line.malformed, line.ns))
        elif line.has_frame:
            raw = line.raw()
            message = self._decode(raw)
            if type(message) is Malformed:
                self._malformed(Malformed(raw, message.reason, line.ns))
            else:
                epoch = self._base + line.epoch
                self._highest = max(self._highest, epoch)
                if self._choice.takes(line.ns, message.product_id):
                    self._timeline.reach(line.ns)
                    self._hand_on(message, raw, line.ns, epoch)
        elif len(memoryview(line.status)):
            status = status_of(line)
            if status is not None and self._choice.takes(line.ns, getattr(status, "product_id", None)):
                self._timeline.reach(line.ns)
                self._status(status)
        elif line.pong is not None and self._choice.takes(line.ns, None):
            self._timeline.reach(line.ns)
            self._outlets.pong(line.pong)

    def _malformed(self, frame: Malformed) -> None:
        if self._choice.takes(frame.received_ns, None):
            self._timeline.reach(frame.received_ns)
            if not self.stopping:
                self._outlets.unreadable(frame)

    def _hand_on(self, message: Message, raw: bytes, ns: int, epoch: int) -> None:
        if not self.stopping:
            self._delivery.hand_on(self._delivery.count(message, len(raw)), message, raw, ns, epoch)

    def _status(self, status: FeedStatus) -> None:
        stats = self._outlets.stats
        if isinstance(status, Ended):  # a recorder's: this replay goes on, and says its own
            return
        if isinstance(status, Gap):
            stats.gaps += 1
            stats.gapped += status.last - status.first + 1
        elif isinstance(status, Connected):
            stats.connections += 1
        elif isinstance(status, Reconnecting):
            stats.reconnects += 1
        if not self.stopping:
            self._outlets.report(status)

    # ---- recordings without epochs, and messages

    def _foreign(self, recording: Recording) -> None:
        """A recording without events and epochs: they are found as a feed finds them."""
        outlets, continuity, delivery, choice = self._outlets, self._continuity, self._delivery, self._choice
        if self._highest >= 0:
            continuity.reconnected(self._base)
        first = True
        for ns, raw in recording.frames():
            message = self._decode(raw)
            if isinstance(message, Subscriptions):
                continuity.watch(
                    (channel.name, product) for channel in message.channels for product in channel.product_ids or ()
                )
            if not choice.takes(ns, None if isinstance(message, Malformed) else message.product_id):
                continue
            self._timeline.reach(ns)
            if first and not delivery.stopping:
                first = False
                self._status(Connected(url=recording.path, at=moment_of(ns)))
            if delivery.stopping:
                return
            if isinstance(message, Malformed):
                delivery.unreadable(raw, message.reason, ns)
            elif delivery.checked(message):
                if isinstance(message, Subscriptions):
                    outlets.report(Subscribed(channels=message.channels, at=moment_of(ns)))
                self._hand_on(message, raw, ns, continuity.epoch(message.product_id))
            self._highest = continuity.highest
            if delivery.stopping:
                return

    def message(self, message: Message) -> None:
        """Play *message*, as it is, at the time of its receipt; where that is not known, at its own."""
        ns = received(message) or self._timeline.scheduler.ns
        if self._choice.takes(ns, message.product_id):
            self._timeline.reach(ns)
            if not self.stopping:
                self._delivery.given(message)


def received(message: Message) -> int:
    """Unix nanoseconds of its receipt, or, where it has none, its own; 0 where it has neither."""
    return message.received_ns or (0 if message.time is None else ns_of(message.time))


def _typed(text: bytes) -> list[_Typed] | None:
    """The lines of *text*; `None` where one of them is no line, or has a frame of a type that takes more to decode."""
    try:
        if not text.isascii():
            text.decode()  # msgspec skips what it has no field for, bad UTF-8 in there included
        return _decode_typed(text)
    except (ValueError, RecursionError):
        return None
