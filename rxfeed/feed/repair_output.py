"""Delivers what comes out of repairs and backfills, in order and in small parts.

Rules:
- Each product has a queue. While something is in it, the product's trades and heartbeats that arrive are put behind it.
- `deliver` takes a few outputs of one product, and of the next product when it is called again. So thousands of trades
  that become due at one time do not delay the messages of other products, of books and of tickers.
- Of a product with many new messages it takes more than came, so that its queue becomes empty.
- Messages of one frame that follow each other are delivered together, since a recording has them in one line.
- A held message keeps the epoch of its receipt. Trades that could not be had raise the epoch of the product's trades
  where they are missing in the output, so the messages after them get a higher one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import groupby

from rxfeed.core import (
    EPOCH_KINDS,
    TRADES,
    Awaited,
    BackfilledTrades,
    GapDetector,
    LostTrades,
    Missed,
    RepairedNumbers,
    RepairedTrades,
)
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.held_messages import HeldRestOrigin, with_epoch, with_epochs
from rxfeed.market import Message, PriorTrade, Trade

Output = Message | BackfilledTrades | RepairedTrades | LostTrades

_AT_ONCE = 8
"""So many outputs are delivered at once; with two or three pipelines, this takes some 0.03 to 0.1 ms."""


class _ProductOutput:
    """The state of one product, from the first trade that is awaited to the last one that is delivered."""

    __slots__ = ("arrived", "backfill_epoch", "holes", "losses", "lost", "queue", "reported")

    def __init__(self) -> None:
        self.queue: deque[Output] = deque()
        self.arrived = 0
        """How many messages were put behind others since outputs were delivered last."""
        self.holes: deque[tuple[Awaited, int]] = deque()
        """Those whose trades are not all delivered, with the epochs of these, without the losses."""
        self.backfill_epoch: int | None = None
        self.losses = 0
        """How often trades were lost."""
        self.lost: LostTrades | None = None
        """The last ones."""
        self.reported: RepairedTrades | None = None
        """The last trades that were reported as repaired."""


class RepairOutput:
    """The queues of all products; *channel*: that of the trades."""

    def __init__(self, channel: str, streams: FeedStreams, continuity: GapDetector) -> None:
        self._channel = channel
        self._streams = streams
        self._router = streams.router
        self._continuity = continuity
        self._products: dict[str, _ProductOutput] = {}
        self._waiting: deque[str] = deque()  # products with something in their queue, the next one first

    @property
    def pending(self) -> bool:
        """True if something is in a queue."""
        return bool(self._waiting)

    @property
    def products(self) -> Iterable[str]:
        """The products with something in their queue."""
        return self._waiting

    def waits_for(self, product: str) -> bool:
        """True if something of *product* is in its queue."""
        state = self._products.get(product)
        return state is not None and bool(state.queue)

    def awaited(self, hole: Awaited) -> None:
        """The trades of *hole* are delivered with the present epoch of the product's trades, and its losses since."""
        product = hole.product_id
        state = self._of(product)
        state.holes.append((hole, self.epoch_of(product) - state.losses))

    def epoch_of(self, product: str) -> int:
        """The present epoch of the product's trades."""
        return self._continuity.of_kinds.get((product, TRADES), self._continuity.epoch(product))

    def begins(self, product: str, epoch: int) -> None:
        """The trades of a backfill have the *epoch* of the first trade of *product*."""
        state = self._of(product)
        if state.backfill_epoch is None:
            state.backfill_epoch = epoch

    def received(self, message: Message) -> None:
        """*message* is held or queued from now on: its epoch is kept without the losses that it already has."""
        state = self._of(str(message.product_id))
        if state.queue:
            state.arrived += 1
        if state.losses and EPOCH_KINDS[type(message)] == TRADES:
            with_epoch(message, message.epoch - state.losses)

    def forget(self, product: str) -> None:
        """Nothing of *product* is held or queued any more."""
        self._products.pop(product, None)

    def _of(self, product: str) -> _ProductOutput:
        state = self._products.get(product)
        if state is None:
            state = self._products[product] = _ProductOutput()
        return state

    # ---- out

    def add(self, outputs: Iterable[Output]) -> None:
        """Put *outputs* into the queues of their products."""
        for output in outputs:
            product = str(output.product_id)
            queue = self._of(product).queue
            if not queue:
                self._waiting.append(product)
            queue.append(output)

    def deliver(self) -> str | None:
        """Deliver the next outputs of one product, which is returned; `None`: there are none."""
        if not self._waiting:
            return None
        product = self._waiting.popleft()
        state = self._products[product]
        left, state.arrived = _AT_ONCE + 2 * state.arrived, 0
        try:
            while state.queue and left > 0:
                run = _next_run(state.queue, left)
                left -= len(run)
                self._output(state, run)
        finally:
            if state.queue:
                self._waiting.append(product)
        return product

    def _output(self, state: _ProductOutput, run: list[Output]) -> None:
        first = run[0]
        if isinstance(first, BackfilledTrades):
            self._streams.backfilled(self._channel, first)
        elif isinstance(first, LostTrades):
            self._lose(state, first)
        elif isinstance(first, RepairedTrades):
            self._report(state, first)
        elif _is_fetched(first):
            self._deliver_fetched(state, first)
        else:
            self._deliver(state, [each for each in run if isinstance(each, Message)])

    def _lose(self, state: _ProductOutput, lost: LostTrades) -> None:
        product = lost.product_id
        self._continuity.lost_of(product, (TRADES,))
        state.losses += 1
        state.lost = lost
        self._streams.found(Missed(product, self._channel, lost.first, lost.last))

    def _report(self, state: _ProductOutput, run: RepairedTrades) -> None:
        """Report the trades of *run*. Those, and lost ones just before, are out of order from now on."""
        lost, state.reported = state.lost, run
        first = lost.first if lost is not None and lost.last + 1 == run.first else run.first
        self._continuity.settled(self._channel, run.product_id, first, run.last)
        self._streams.found(RepairedNumbers(run.product_id, self._channel, run.first, run.last, run.seconds))

    def _deliver_fetched(self, state: _ProductOutput, trade: Message) -> None:
        assert isinstance(trade, Trade | PriorTrade)
        if isinstance(trade, PriorTrade):
            epoch = state.backfill_epoch
            assert epoch is not None, "a backfill begins with the first trade of its product"
        else:
            while not state.holes[0][0].first <= trade.trade_id <= state.holes[0][0].last:
                state.holes.popleft()  # the holes are closed in this order
            epoch = state.holes[0][1]
        self._router.route_of(type(trade), trade.product_id).count += 1
        self.emit(with_epoch(trade, epoch + state.losses))

    def _deliver(self, state: _ProductOutput, held: list[Message]) -> None:
        """Deliver messages that were *held*, and counted when they came.

        Those that the venue sent again after an interruption are repaired, too. Some may be reported already.
        """
        reported = state.reported
        for unreported, group in groupby(held, lambda message: message.repaired and not _is_of(message, reported)):
            run = [*group]
            if unreported:
                first, last = (each.trade_id for each in (run[0], run[-1]) if isinstance(each, Trade))
                self._streams.found(RepairedNumbers(str(run[0].product_id), self._channel, first, last))
            for message in with_epochs(run, lambda each: _epoch_of(each, state)):
                self.emit(message)

    def emit(self, message: Message) -> None:
        """Deliver *message* to its observers."""
        router = self._router
        router.deliver(router.subscribed(type(message), message.product_id), message)


def _next_run(queue: deque[Output], most: int) -> list[Output]:
    """Take the next output of *queue*; held messages in a row together, at most so many, but no part of a run."""
    run = [queue.popleft()]
    if not _is_held(run[0]):
        return run
    while queue and _is_held(queue[0]) and (len(run) < most or _belongs_to(run[-1], queue[0])):
        run.append(queue.popleft())
    return run


def _belongs_to(before: Output, after: Output) -> bool:
    """True if both, held messages, are of one frame, or of one run of trades that the venue sent again."""
    assert isinstance(before, Message)
    assert isinstance(after, Message)
    return before.raw is after.raw or (before.repaired and after.repaired)


def _is_held(output: Output) -> bool:
    """True for a message that came over a connection of the feed."""
    return isinstance(output, Message) and not _is_fetched(output)


def _is_fetched(message: Message) -> bool:
    origin = message._origin  # pyright: ignore[reportPrivateUsage]  # the request it came from
    return origin is not None and origin.apart and not isinstance(origin, HeldRestOrigin)


def _epoch_of(message: Message, state: _ProductOutput) -> int:
    return message.epoch + (state.losses if EPOCH_KINDS[type(message)] == TRADES else 0)


def _is_of(message: Message, run: RepairedTrades | None) -> bool:
    return run is not None and isinstance(message, Trade) and run.first <= message.trade_id <= run.last
