"""Delivers what several connections with equal subscriptions bring: each message once.

Rules:
- All calls come with the lock of the streams held, except `remaining`.
- Each connection has its own `ArbitratedFrames`, which decodes, checks the connection's own numbers, and passes the
  messages to the `Arbitration`. Acknowledgements, errors and heartbeats are signs of their connection in any case.
- What is output gets its epoch from the merged stream, and its frame from the connection that brought it. The messages
  of one frame that are delivered together have one origin, as recordings need it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import force_setattr, replace

from rxfeed.core import (
    Arbitration,
    ArbitrationOutput,
    Awaited,
    BookMoved,
    Delivered,
    GapDetector,
    Missed,
    Pair,
    RepairedNumbers,
    Restarted,
    SnapshotNeeded,
)
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.held_messages import HeldRestOrigin, is_of_several, stamp_held_of, with_epoch, with_epochs
from rxfeed.feed.status import BookSwitched
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.market import (
    BookSnapshot,
    BookUpdate,
    FrameOrigin,
    Malformed,
    Message,
    Origin,
    RestOrigin,
    Skipped,
    of_connection,
    stamp,
)
from rxfeed.transport import TransportEvent
from rxfeed.venues import Decoded

if TYPE_CHECKING:
    from rxfeed.feed.trade_repairs import TradeRepairs


class ConnectionArbiter:
    """Delivers the outputs of *machine*; *now* is the feed's clock.

    *snapshot_needed*: called with a connection that is to request the snapshot of a product's book. *number_of*: the
    number of a connection, for events. *held*: called when messages begin to be held, so that `due` is called in time.
    """

    def __init__(
        self,
        machine: Arbitration,
        streams: FeedStreams,
        now: Callable[[], float],
        *,
        snapshot_needed: Callable[[int, str], None] = lambda line, product: None,
        number_of: Callable[[int], int] = lambda line: line,
        held: Callable[[], None] = lambda: None,
    ) -> None:
        self.machine = machine
        self.now = now
        self.repairs: TradeRepairs | None = None
        self._streams = streams
        self._router = streams.router
        self._deliver_one = Dispatcher(streams, machine.gaps).deliver
        self._snapshot_needed = snapshot_needed
        self._number_of = number_of
        self._held = held

    def frames_of(self, line: int) -> MakeFrames:
        """What makes the object that takes the frames of connection *line*."""
        return partial(ArbitratedFrames, self, line)

    def remaining(self) -> float | None:
        """Seconds until `due` delivers something; `None` if nothing is held."""
        return self.machine.remaining(self.now())

    def due(self) -> None:
        """Deliver what waits no longer."""
        self.deliver(self.machine.due(self.now()))
        if self.repairs is not None:
            self.repairs.step()

    def subscribed(self, pairs: Collection[Pair], before: Collection[Pair]) -> None:
        """A connection is subscribed to *pairs* from now on, and no longer to those that it had *before*."""
        if self.repairs is not None:
            with self._streams.lock:
                self.repairs.unsubscribed({*before} - {*pairs})
                self.repairs.subscribed(pairs)
            self._held()

    def repairs_remaining(self) -> float | None:
        """Seconds until the repairs have something to do; `None` if there are none."""
        return None if self.repairs is None else self.repairs.remaining(self.now())

    def finish(self) -> None:
        """Deliver all that is held; no connection brings more."""
        self.deliver(self.machine.finish())
        if self.repairs is not None:
            self.repairs.finish()

    def step(self, line: int, message: Message) -> list[ArbitrationOutput]:
        """What *message* of connection *line* causes."""
        waited = self.machine.holding
        out = self.machine.step(line, message, self.now())
        if self.machine.holding and not waited:
            self._held()
        return out

    # ---- out

    def deliver(self, outputs: Sequence[ArbitrationOutput]) -> None:
        """Deliver messages, and report the rest, in order."""
        if len(outputs) == 1 and type(first := outputs[0]) is Delivered and first.prior is None:
            self._deliver_run(outputs)  # pyright: ignore[reportArgumentType]  # it is one `Delivered`
            return
        run: list[Delivered] = []
        for each in outputs:
            if type(each) is Delivered and each.prior is None:
                run.append(each)
                continue
            self._deliver_run(run)
            run = []
            if isinstance(each, Delivered):
                self._deliver_prior(each)
            else:
                self._report(each)
        self._deliver_run(run)

    def _deliver_run(self, run: Sequence[Delivered]) -> None:
        deliver = self._deliver_one
        if not run:
            return
        if len(run) == 1:
            message = run[0].message
            origin: Any = message._origin  # pyright: ignore[reportPrivateUsage]  # which only a feed replaces
            if not is_of_several(origin):
                if run[0].epoch:
                    force_setattr(message, "_origin", type(origin)(origin.raw, origin.received_ns, run[0].epoch))
                deliver(message)
                return
        epochs = {id(each.message): each.epoch for each in run}
        messages = [each.message for each in run]
        held = self._router.held
        awaiting = [each for each in messages if self._router.holds(each)] if held else []
        if awaiting:
            waits = set(map(id, awaiting))
            messages = [each for each in messages if id(each) not in waits]
        last = None
        for message in with_epochs(messages, lambda message: epochs[id(message)]):
            origin = message._origin  # pyright: ignore[reportPrivateUsage]  # as above
            if isinstance(origin, FrameOrigin):
                self._streams.stats.batched += origin.epochs is last
                last = origin.epochs
            deliver(message)
        for message in awaiting:
            deliver(with_epoch(message, epochs[id(message)]))

    def _deliver_prior(self, delivered: Delivered) -> None:
        """A trade that came as one from before a subscription, and that no other connection had brought."""
        prior, message = delivered.prior, delivered.message
        assert prior is not None
        number, held = prior.trade_id, self._router.holds(message)
        if not held:  # else that is reported when it is delivered
            self._report(RepairedNumbers(prior.product_id, self._streams.venue.repairable, number, number))
        kind = of_connection(HeldRestOrigin if held else RestOrigin, prior.connection)
        self._deliver_one(stamp(message, kind(prior.raw, prior.received_ns, delivered.epoch)))

    def _report(self, found: ArbitrationOutput) -> None:
        if isinstance(found, BookMoved):
            number = self._number_of(found.number)
            self._streams.report(BookSwitched(product_id=found.product_id, connection=number))
        elif isinstance(found, SnapshotNeeded):
            self._snapshot_needed(found.number, found.product_id)
        elif not isinstance(found, Delivered):
            if self.repairs is not None:
                if isinstance(found, Awaited):
                    self.repairs.begin(found)
                    self._held()
                    return
                if isinstance(found, Restarted):
                    self.repairs.restarted(found)
            self._streams.found(found)


MakeFrames = Callable[[Dispatcher, GapDetector], "ArbitratedFrames"]
"""Makes what takes the frames of a connection, from its dispatcher and the detector of its own numbers."""


class ArbitratedFrames:
    """The frames of one connection, *line*, on their way to an *arbiter*."""

    def __init__(self, arbiter: ConnectionArbiter, line: int, dispatcher: Dispatcher, continuity: GapDetector) -> None:
        self._arbiter = arbiter
        self._machine = arbiter.machine
        self._line = line
        self._dispatcher = dispatcher
        self._continuity = continuity
        self._pairs: Collection[Pair] = ()
        self._stats = dispatcher.stats

    # ---- the connection

    def watch(self, pairs: Collection[Pair]) -> None:
        """Set the subscriptions."""
        self._continuity.watch(pairs)
        with self._dispatcher.streams.lock:
            self._machine.watch(pairs)
        before, self._pairs = self._pairs, pairs
        self._arbiter.subscribed(pairs, before)

    def at_least(self, product_id: str, least: int) -> None:
        """The epoch of the product is *least*, if it is not higher."""
        self._continuity.at_least(product_id, least)
        with self._dispatcher.streams.lock:
            self._machine.gaps.at_least(product_id, least)

    def seed(self, subscriptions: SubscriptionManager) -> None:
        """The connection is open already."""
        pairs = subscriptions.pairs
        self.watch(pairs)
        books = [product for channel, product in pairs if channel in self._machine.gaps.books and product is not None]
        self._machine.seed(self._line, subscriptions.acknowledged_pairs, books)

    def opened(self) -> None:
        """The connection is open."""
        self._machine.opened(self._line)

    def closed(self) -> None:
        """The connection is lost."""
        before = self._machine.interruptions
        self._arbiter.deliver(self._machine.closed(self._line))
        if not self._dispatcher.stopping:
            self._stats.interruptions += self._machine.interruptions - before

    # ---- frames

    def frames(self, events: Sequence[TransportEvent], received_ns: int) -> None:
        """As `Dispatcher.frames`."""
        dispatcher, stats, continuity, machine = self._dispatcher, self._stats, self._continuity, self._machine
        decode, checks, after, step = dispatcher.decode, continuity.checks, dispatcher.after, self._arbiter.step
        deliver, line = self._arbiter.deliver, self._line
        made = of_connection(Origin, dispatcher.streams.connection)
        continuity.received(received_ns)
        machine.gaps.received(received_ns)
        size = others = 0
        copies, interruptions, data_received = machine.copies, machine.interruptions, False
        try:
            for raw in events:
                if type(raw) is not bytes:
                    others += 1
                    dispatcher.other(raw)  # pyright: ignore[reportArgumentType]  # it is not bytes
                    if dispatcher.stopping:
                        return
                    continue
                size += len(raw)
                message: Any = decode(raw)
                kind: type[Any] = type(message)  # pyright: ignore[reportUnknownVariableType]  # any type may come
                one, check = isinstance(message, Message), checks.get(kind)
                fresh = check is None or check(message)
                if one and fresh and not continuity.missed:
                    # Nearly every frame of a venue with one message a frame.
                    force_setattr(message, "_origin", made(raw, received_ns, 0))
                    if out := step(line, message):
                        deliver(out)
                    acted = after[kind]
                    data_received = acted is None or acted(message) or data_received
                else:
                    data_received = self._frame(message, raw, received_ns, fresh if one else None) or data_received
                if dispatcher.stopping:
                    return
        finally:
            stats.duplicates += machine.copies - copies
            stats.interruptions += machine.interruptions - interruptions
            dispatcher.data_received = data_received
            stats.bytes += size
            stats.frames += len(events) - others
            events, raw = (), b""  # a frame may repeat a signature, which a traceback with local variables would show

    def _frame(self, decoded: Decoded | Skipped, raw: bytes, received_ns: int, checked: bool | None) -> bool:
        """Deliver what *raw* was *decoded* to; True if it is a sign of life.

        *checked*: the result of the detector, which has checked it; `None`: it has not.
        """
        if isinstance(decoded, Malformed):
            self.report_malformed(decoded, received_ns)
            return False
        if isinstance(decoded, Skipped):
            check = self._continuity.checks.get(decoded.kind)
            if check is not None:
                check(decoded)
                self._found()
            if issubclass(decoded.kind, BookSnapshot):
                self._arbiter.deliver(self._machine.skipped_snapshot(self._line, decoded.product_id or ""))
            self._stats.add(decoded.kind, 1)
            return True
        continuity, number = self._continuity, self._dispatcher.streams.connection
        messages = decoded if isinstance(decoded, tuple) else (decoded,)
        if checked is not None:
            fresh, continuity.held = list(messages) if checked else [], None
        else:
            result = continuity.frame(messages)
            messages = result.messages
            fresh = [each for each, epoch in zip(messages, result.epochs, strict=True) if epoch is not None]
        self._found()
        if len(messages) == 1:
            force_setattr(messages[0], "_origin", of_connection(Origin, number)(raw, received_ns, 0))
        else:
            stamp_held_of(messages, range(len(messages)), raw, received_ns, number)
        released, continuity.released = continuity.released, []
        out: list[ArbitrationOutput] = []
        for message in (*released, *fresh):
            out += self._arbiter.step(self._line, message)
        self._stats.duplicates += len(messages) - len(fresh) - len(released)
        self._arbiter.deliver(out)
        data_received = False
        for message in (*released, *fresh):
            acted = self._dispatcher.after[type(message)]
            data_received = acted is None or acted(message) or data_received
        return data_received

    def _found(self) -> None:
        """The connection's own numbers show that something of any product may be missing."""
        missed, self._continuity.missed = self._continuity.missed, []
        for each in missed:
            if not isinstance(each, Missed | Restarted) or each.product_id is not None:
                continue
            self._dispatcher.lost.add(None)
            if not self._machine.covered(self._line):
                self._arbiter.deliver([each])
            self._arbiter.deliver(self._machine.lost(self._line, None))

    def report_malformed(self, frame: Malformed, received_ns: int) -> None:
        """As `Dispatcher.report_malformed`."""
        streams = self._dispatcher.streams
        product = frame.product_id
        if product is not None:
            product = streams.renamed.get(product, product)
        frame = replace(frame, product_id=product, received_ns=received_ns)
        self._continuity.malformed(frame)
        self._found()
        if frame.type not in streams.venue.without_data:
            types = streams.venue.types_named(frame.type)
            books = not types or any(issubclass(kind, BookUpdate) for kind in types)
            if books:
                self._dispatcher.lost.add(product)
            self._arbiter.deliver(self._machine.lost(self._line, product, books))
        streams.report_malformed(frame)
