"""From frames to subscribers: every message passes here, from a socket or from a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import force_setattr, replace

from rxfeed.core import EPOCH_KINDS, Awaited, ByType, GapDetector, RepairedNumbers, Restarted
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.held_messages import (
    HeldRepairedOrigin,
    stamp_awaiting,
    stamp_held,
    stamp_held_of,
    with_epoch,
    with_epochs,
)
from rxfeed.market import (
    ENDING,
    LONG,
    PLAIN,
    UNDECODED,
    FrameOrigin,
    Malformed,
    Message,
    Origin,
    RepairedFrameOrigin,
    RepairedOrigin,
    ends_with_microseconds,
    finer,
    of_connection,
)
from rxfeed.transport import Closed, Oversized, Pong, TransportEvent

if TYPE_CHECKING:
    from rxfeed.feed.trade_repairs import TradeRepairs

_After = Callable[[Any], bool]
"""What is called after the delivery of a message of one type, which is its argument."""

_SEVERAL: Any = tuple
_NO_MESSAGE: Any = Malformed
"""What a frame is decoded to, other than one message."""

_Steps = tuple[Callable[[Any], bool] | None, _After | None, str]
"""What is done with each message of one type: its check, the function after its delivery, the kind of its epoch."""


class Dispatcher:
    """Decodes the frames of one connection, reports gaps, stamps and counts messages, and delivers them.

    *drop_duplicates*: if False, duplicates are counted and delivered too. *other*, *after*: see `frames`. *repairs*
    requests missing trades; `None`: they are gaps. All calls come from one thread.
    """

    def __init__(
        self,
        streams: FeedStreams,
        continuity: GapDetector,
        *,
        drop_duplicates: bool = True,
        other: Callable[[Oversized | Pong | Closed], None] = lambda event: None,
        after: Mapping[type[Message], _After] | None = None,
        repairs: TradeRepairs | None = None,
    ) -> None:
        self.streams = self._streams = streams
        self.stats = self._stats = streams.stats
        self._router = streams.router
        self._number()
        self.use(continuity)
        self._drop_duplicates = drop_duplicates
        self.other = other
        self._repairs = repairs
        entries: dict[type[Any], _After | None] = {object: None, **({} if after is None else after)}
        self.after = ByType(entries)
        decoder = streams.venue.decoder(renamed=streams.renamed)
        self._decode = decoder.decode
        self.decode = streams.venue.decoder(renamed=streams.renamed, observed=streams.router.observed).decode
        """Decodes a frame; large messages without an observer may be `Skipped`."""
        self._quick = decoder.quick
        self.data_received = False
        """The last frames had a message that is more than an answer to a request."""
        self.stopping = False
        """If True, nothing more is delivered; any thread may set it."""
        self.place = 0
        """Of a recorded frame with several messages, the place of the current one."""
        self.lost: set[str | None] = set()
        """Products with missed messages, for the owner to take out; `None`: the product is not known."""

    def repair_with(self, repairs: TradeRepairs | None) -> None:
        """From now on *repairs* requests missing trades."""
        self._repairs = repairs

    def use(self, continuity: GapDetector) -> None:
        """From now on *continuity* checks the messages."""
        self._continuity = continuity
        self._checks = continuity.checks
        self._steps: dict[type[Message], _Steps] = {}
        self._skim = self._streams.venue.skim(continuity, self._streams.renamed)

    def frames(self, events: Sequence[TransportEvent], received_ns: int) -> None:
        """Deliver the messages of the frames in *events*, in order, unless their sequence numbers show duplicates.

        An event that is not a frame goes to *other*, in its place. After delivery, messages of some types go to the
        function that *after* has for the type; it returns whether the message counts for `data_received`, which is set
        even if something is raised.
        """
        # Every message passes here, so all steps are inline: one call would add 5 % to the time of a message.
        router, stats, steps = self._router, self._stats, self._steps
        skim, quick, decode, continuity = self._skim, self._quick, self._decode, self._continuity
        if router.types is None:  # every message has an observer, so that none is to be skimmed
            skim = None
        data_received, size, others, skimmed, longest = False, 0, 0, 0, LONG
        epoch, of_kinds = continuity.epoch, continuity.of_kinds
        if self.streams.connection != self._connection:
            self._number()
        made = self._origin
        message: Any
        continuity.received(received_ns)
        try:
            if continuity.missed:  # what was found between two reads, by a change of the subscription
                self._report_missed()
                if self.stopping:
                    return
            for raw in events:
                if type(raw) is not bytes:
                    others += 1
                    self.other(raw)  # pyright: ignore[reportArgumentType]  # it is not bytes
                    if self.stopping:
                        return
                    continue
                length = len(raw)
                size += length
                if skim is not None and skim(raw, router):
                    skimmed += 1
                    continue
                try:
                    if quick is None:
                        message = decode(raw)
                    else:
                        plain = raw.isascii() and (
                            raw[ENDING] == PLAIN or ends_with_microseconds(raw) or not finer(raw)
                        )
                        message = quick(raw) if plain and length <= longest else decode(raw)
                except UNDECODED:
                    message = decode(raw)  # the full decoder has more types, and gives the reason of a failure
                kind: Any = type(message)  # pyright: ignore[reportUnknownVariableType]  # of an `Any`
                found = steps.get(kind)
                if found is None:
                    if kind is _SEVERAL:
                        data_received = self._several(message, raw, received_ns) or data_received
                    elif kind is _NO_MESSAGE:
                        self.report_malformed(message, received_ns)
                    else:
                        found = self._steps_of(kind)
                    if found is None:
                        if self.stopping:
                            return
                        continue
                check, acted, epoch_kind = found
                if check is not None:
                    fresh = check(message)
                    if (not fresh or continuity.missed) and not self._fresh(fresh):
                        data_received = self._not_delivered(raw, received_ns) or data_received
                        if self.stopping:
                            return
                        continue
                product_id = message.product_id
                route = router.routes[kind].get(product_id)
                if route is None:
                    route = router.route(kind, product_id)
                route.count += 1
                receivers = route.receivers
                if receivers:  # types without observers cost little more than their decoding
                    number = epoch(product_id)
                    if of_kinds:
                        number = of_kinds.get((product_id, epoch_kind), number)
                    force_setattr(message, "_origin", made(raw, received_ns, number))
                    for receive, observer in receivers:
                        try:
                            receive(message)
                        except Exception as error:
                            router.remove_failed(observer, error)
                data_received = acted is None or acted(message) or data_received
                if self.stopping:
                    return
        finally:
            self.data_received = data_received or skimmed > 0
            stats.bytes += size
            stats.frames += len(events) - others
            stats.skimmed += skimmed
            # One may repeat a signature, which a traceback with local variables would show.
            events, raw, message = (), b"", None

    def _steps_of(self, kind: type[Message]) -> _Steps:
        """The steps for a message of *kind*, which are stored."""
        found = self._steps[kind] = (self._checks.get(kind), self.after[kind], EPOCH_KINDS[kind])
        return found

    def _number(self) -> None:
        """The connection has another number, which the origins of its messages have."""
        self._connection = self.streams.connection
        self._origin = of_connection(Origin, self._connection)
        self._frame_origin = of_connection(FrameOrigin, self._connection)
        self._repaired_frame_origin = of_connection(RepairedFrameOrigin, self._connection)

    def _several(self, messages: tuple[Message, ...], raw: bytes, received_ns: int) -> bool:
        """Deliver the *messages* of one frame; True if one of them is a sign of life.

        All gaps that the frame shows are reported before its first message. A frame is delivered whole, even if the
        feed is closed meanwhile: a recording has whole frames, and its replay delivers the same messages.
        """
        checked = self._continuity.frame(messages)
        messages, epochs, repaired = checked.messages, checked.epochs, checked.repaired
        if self._continuity.missed:
            self._report_missed()
        if self.stopping:  # a subscriber of the status may have closed the feed
            return False
        not_delivered = epochs.count(None)
        if not_delivered:
            self._stats.duplicates += not_delivered
            if self._drop_duplicates:
                stamp_held_of(messages, checked.held, raw, received_ns, self._connection)
            else:
                epoch_of, not_delivered = self._continuity.epoch_of, 0
                epochs = tuple(
                    epoch_of(message) if epoch is None else epoch
                    for message, epoch in zip(messages, epochs, strict=True)
                )
        self._stats.batched += max(0, len(epochs) - not_delivered - 1)
        held = self._held_places(messages, epochs) if self._router.held else ()
        if held:
            stamp_awaiting(messages, held, raw, received_ns, epochs, repaired, self._connection)
            epochs = tuple(None if place in held else epoch for place, epoch in enumerate(epochs))
        data_received, router = False, self._router
        for place, message in enumerate(messages):
            epoch = epochs[place]
            if epoch is None:
                continue
            kind, product_id = type(message), message.product_id
            route = router.routes[kind].get(product_id)
            if route is None:
                route = router.route(kind, product_id)
            route.count += 1
            if route.receivers:
                origin = self._repaired_frame_origin if place in repaired else self._frame_origin
                force_setattr(message, "_origin", origin(raw, received_ns, epoch, epochs, repaired))
                for receive, observer in route.receivers:
                    try:
                        receive(message)
                    except Exception as error:
                        router.remove_failed(observer, error)
            acted = self.after[kind]
            data_received = acted is None or acted(message) or data_received
        for place in held:  # after the others, because a recording has the delivered ones in one line
            self.deliver(messages[place])
        return data_received or bool(held)

    def _held_places(self, messages: tuple[Message, ...], epochs: tuple[int | None, ...]) -> tuple[int, ...]:
        """The places of the messages that wait for missing trades."""
        holds = self._router.holds
        return tuple(
            place
            for place, (message, epoch) in enumerate(zip(messages, epochs, strict=True))
            if epoch is not None and holds(message)
        )

    def frames_of_several(self, messages: tuple[Message, ...], raw: bytes, received_ns: int) -> None:
        """Deliver the *messages* of the frame *raw*, unless their numbers show duplicates, and count it."""
        self._stats.bytes += len(raw)
        self._stats.frames += 1
        self._several(messages, raw, received_ns)

    def _not_delivered(self, raw: bytes, received_ns: int) -> bool:
        """The last checked message is not to be delivered now: if it is held, it gets its origin, without an epoch.

        If it had been missed, it is delivered as a new one, and True is returned.
        """
        continuity = self._continuity
        held, new = continuity.held, continuity.new
        continuity.held = continuity.new = None
        if held is not None:
            stamp_held(held, raw, received_ns, self._connection)
        if new is None or self.stopping:
            return False
        kind = HeldRepairedOrigin if self._router.held and self._router.holds(new) else RepairedOrigin
        kind = of_connection(kind, self._connection)
        force_setattr(new, "_origin", kind(continuity.new_frame(raw), received_ns, continuity.epoch_of(new)))
        self.deliver(new)
        return True

    def _deliver_released(self) -> None:
        """Deliver the messages that were held, with their present epochs; they were counted as duplicates before."""
        released, self._continuity.released = self._continuity.released, []
        self._stats.duplicates -= len(released)
        if not self._drop_duplicates:  # they were delivered
            return
        epoch_of, holds = self._continuity.epoch_of, self._router.holds
        awaiting = [with_epoch(each, epoch_of(each)) for each in released if holds(each)] if self._router.held else []
        if awaiting:
            released = [each for each in released if not holds(each)]
        for message in (*with_epochs(released, epoch_of), *awaiting):
            if self.stopping:
                return
            self.deliver(message)
            acted = self.after[type(message)]
            if acted is not None:
                acted(message)

    def is_fresh(self, message: Message) -> bool:
        """True if *message* is to be delivered; reports the gap that its sequence number shows."""
        check = self._checks.get(type(message))
        return check is None or self._fresh(check(message))

    def is_fresh_frame(self, message: Message, raw: bytes, received_ns: int) -> bool:
        """As `is_fresh`, for the one message of the frame *raw*."""
        fresh = self.is_fresh(message)
        if not fresh:
            self._not_delivered(raw, received_ns)
        return fresh

    def deliver_recorded_frame(
        self,
        messages: tuple[Message, ...],
        raw: bytes,
        received_ns: int,
        epochs: tuple[int | None, ...],
        repaired: tuple[int, ...] = (),
        connection: int = 0,
    ) -> None:
        """Deliver the *messages* of the frame *raw*, each with its epoch; `None`: it was a duplicate."""
        self._stats.bytes += len(raw)
        self._stats.frames += 1
        self._stats.batched += max(0, len(epochs) - epochs.count(None) - 1)
        for place, (message, epoch) in enumerate(zip(messages, epochs, strict=True)):
            if epoch is not None:
                kind = of_connection(RepairedFrameOrigin if place in repaired else FrameOrigin, connection)
                force_setattr(message, "_origin", kind(raw, received_ns, epoch, epochs, repaired))
                self.place = place
                self.deliver(message)
        self.place = 0

    def deliver_recorded(
        self, message: Message, raw: bytes, received_ns: int, epoch: int, kind: type[Origin] = Origin
    ) -> None:
        """Deliver *message*, decoded from *raw*, with the *epoch* that it had when it was recorded.

        *kind*: what its origin is.
        """
        stats, router, message_type = self._stats, self._router, type(message)
        stats.bytes += len(raw)
        stats.frames += 1
        product_id = message.product_id
        route = router.routes[message_type].get(product_id)
        if route is None:
            route = router.route(message_type, product_id)
        route.count += 1
        receivers = route.receivers
        if receivers:
            force_setattr(message, "_origin", kind(raw, received_ns, epoch))
            for receive, observer in receivers:
                try:
                    receive(message)
                except Exception as error:
                    router.remove_failed(observer, error)

    def deliver(self, message: Message) -> None:
        """Deliver a *message* that already has its origin."""
        # A frame can have many: calls would double the time.
        kind, router = type(message), self._router
        route = router.routes[kind].get(message.product_id)
        if route is None:
            route = router.route(kind, message.product_id)
        route.count += 1
        for receive, observer in route.receivers:
            try:
                receive(message)
            except Exception as error:
                router.remove_failed(observer, error)

    def count_skipped(self, kinds: Mapping[type[Message], int], size: int) -> None:
        """Count messages of these *kinds*, of *size* bytes together, that have no observer and need no decoding."""
        stats = self._stats
        stats.bytes += size
        stats.frames += sum(kinds.values())
        for kind, count in kinds.items():
            stats.add(kind, count)

    def report_malformed(self, frame: Malformed, received_ns: int) -> None:
        """Report *frame*. If its type carries data, data of that kind was missed (see `GapDetector.doubt`)."""
        venue, product = self._streams.venue, frame.product_id
        if product is not None:
            product = self._streams.renamed.get(product, product)
        frame = replace(frame, product_id=product, received_ns=received_ns)
        self._continuity.malformed(frame)
        if frame.type not in venue.without_data and self._continuity.doubt(product, venue.types_named(frame.type)):
            self.lost.add(product)
        self._report_missed()
        self._streams.report_malformed(frame)

    def _fresh(self, fresh: bool) -> bool:
        """True for a message to deliver; the gap that it shows is reported before it."""
        if self._continuity.missed:
            self._report_missed()
        if not fresh:
            self._stats.duplicates += self._continuity.new is None
            if not self._drop_duplicates:
                self._continuity.new = None  # it is delivered as it came
        # A subscriber of the status may have closed the feed.
        return not self.stopping and (fresh or not self._drop_duplicates)

    def _report_missed(self) -> None:
        if not self._continuity.missed:
            return
        missed, self._continuity.missed = self._continuity.missed, []
        for each in missed:
            if self._repairs is not None:
                if isinstance(each, Awaited):
                    self._repairs.begin(each)
                    continue
                if isinstance(each, Restarted):
                    self._repairs.restarted(each)
                elif isinstance(each, RepairedNumbers) and each.product_id in self._router.held:
                    continue  # it is reported when the trades are delivered
            if not isinstance(each, RepairedNumbers):
                self.lost.add(each.product_id)
            self._streams.found(each)
        if self._continuity.released:  # never without a report
            self._deliver_released()
