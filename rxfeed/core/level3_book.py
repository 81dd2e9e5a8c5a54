"""The book with all its orders, from `full` or `level3` messages and a snapshot by REST.

Rules, from the channels' documentation:
- Buffer the channel's messages, request a snapshot (`GET /products/<id>/book?level=3`), drop the messages that are not
  newer than it, and apply the others. The first of them must have the snapshot's sequence plus one. If not, the
  snapshot is too old, and another is requested.
- Sequences rise by one. A higher sequence is a gap, and another snapshot is requested. A message with a lower or equal
  sequence is a duplicate and is dropped. A higher epoch is a gap, whatever the sequences are. A lower one is of another
  kind of message (see `epochs.py`).
- A message that the orders contradict (see `level3_orders.py`) shows that the book is wrong, and is treated as a gap.
- A message of an unknown type changes nothing. Its sequence is not missing if the next known message skips it.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import ClassVar

import msgspec

from rxfeed.core.arguments import Seconds, positive_integer, product
from rxfeed.core.book_snapshot import NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import FullBookView
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.level3_orders import Level3Orders
from rxfeed.market import Auction, Heartbeat, Message, OrderEvent, Unknown

_MOST_UNKNOWN = 10_000
_STEADY = 100  # consecutive messages that reset the count of failures

_EFFECTS = Level3Orders.effects
_LOOKED_AT = (OrderEvent, Auction, Heartbeat, Unknown)

Item = Message | SnapshotTaken | SnapshotFailed


class BookStats(msgspec.Struct):
    """The counters of a `Level3Book`.

    *gaps* counts sequence gaps, *breaks* changed epochs, *contradictions* messages that cannot be applied to the book,
    *stale* duplicates, *overflowed* messages that the full buffer dropped. *snapshots* counts the answers to
    `NeedSnapshot` that were used, *failures* those that were not.
    """

    gaps: int = 0
    breaks: int = 0
    contradictions: int = 0
    stale: int = 0
    overflowed: int = 0
    snapshots: int = 0
    failures: int = 0


class Level3Book:
    """Outputs a `FullBookView` of *product_id* for each message that changes its book, and `NeedSnapshot` to begin it.

    Its inputs are messages, and a `SnapshotTaken` or `SnapshotFailed` in answer to each `NeedSnapshot`. Messages that
    come before the answer are buffered, at most *buffer* of them; the oldest are dropped first. After a gap it outputs
    one view that is not `ready`, and another `NeedSnapshot`; the next view has the snapshot and the buffered messages.
    A view's time is limited (see `EventClock`). O(log n) a message for n orders; a view takes O(1) and shares its
    memory with the book.
    """

    __slots__ = (
        "_auction",
        "_buffer",
        "_epoch",
        "_heard",
        "_orders",
        "_ready",
        "_request",
        "_sequence",
        "_since",
        "_trouble",
        "_unknown",
        "buffer",
        "clock",
        "depth",
        "product_id",
        "stats",
    )

    accepts: ClassVar[frozenset[type[Message]]] = frozenset(_LOOKED_AT)

    def __init__(
        self,
        product_id: str,
        depth: int | None = None,
        *,
        buffer: int = 100_000,
        stats: BookStats | None = None,
        max_ahead: Seconds | None = MAX_AHEAD,
    ) -> None:
        self.clock = EventClock(max_ahead)
        self.product_id = product(product_id)
        self.depth = None if depth is None else positive_integer("depth", depth)
        self.buffer = positive_integer("buffer", buffer)
        self.stats = BookStats() if stats is None else stats
        self._buffer: deque[tuple[int, OrderEvent]] = deque()  # with their sequences
        self._unknown: set[int] = set()  # sequences without an order, above that of the book
        self._orders = Level3Orders()
        self._sequence = 0
        self._ready = self._heard = self._auction = False
        self._epoch: int = 0
        self._request = 0  # the number of the last NeedSnapshot
        self._trouble = 0  # consecutive failures
        self._since = 0  # messages since the last answer

    def step(self, item: Item) -> tuple[FullBookView | NeedSnapshot, ...]:
        if self._ready and type(item) in _EFFECTS:  # as nearly always
            event: OrderEvent = item  # pyright: ignore[reportAssignmentType]  # by the table
            origin = event._origin  # pyright: ignore[reportPrivateUsage]  # `epoch`, without the call that it is
            epoch = 0 if origin is None else origin.epoch
            if event.product_id == self.product_id and epoch <= self._epoch and event.sequence == self._sequence + 1:
                return self._next(event)
        if isinstance(item, SnapshotTaken | SnapshotFailed):
            if self._ready or not self._heard or item.request != self._request:
                return ()  # the answer to an earlier request
            return self._taken(item) if isinstance(item, SnapshotTaken) else self._again()
        if item.product_id != self.product_id or not isinstance(item, _LOOKED_AT):
            return ()
        if item.epoch > self._epoch or not self._heard:
            begun, self._epoch, self._heard = self._heard, item.epoch, True
            self.stats.breaks += begun
            self._auction = False
            self._buffer.clear()
            self._unknown.clear()
            return self._lost(item)
        if isinstance(item, Auction):
            self._auction = item.collecting
        sequence: int | None = getattr(item, "sequence", None)
        if isinstance(item, Heartbeat) or sequence is None:
            return ()
        if isinstance(item, Unknown | Auction):
            self._skip(sequence)
            return ()
        if self._ready:
            return self._live(item, sequence)
        self._keep(item, sequence)
        return ()

    def finish(self) -> tuple[FullBookView | NeedSnapshot, ...]:
        return ()

    @property
    def waiting(self) -> int:
        """How many messages wait for a snapshot."""
        return len(self._buffer)

    # ---- between two snapshots

    def _lost(self, message: Message) -> tuple[FullBookView | NeedSnapshot, ...]:
        """Discard the book: messages before *message* were missed."""
        was_ready, self._ready = self._ready, False
        self._clear()
        sequence = getattr(message, "sequence", None)
        if isinstance(message, Auction):
            self._auction = message.collecting
        if isinstance(message, Unknown | Auction):
            if sequence is not None:
                self._skip(sequence)
        elif isinstance(message, OrderEvent) and sequence is not None:
            self._keep(message, sequence)
        need = self._need()
        if was_ready:
            return (FullBookView(product_id=self.product_id, time=self._time(message), depth=self.depth), *need)
        return need

    def _need(self) -> tuple[NeedSnapshot, ...]:
        """Request a snapshot, with the number of consecutive failures, so that the caller can wait."""
        self._request += 1
        need = NeedSnapshot(self.product_id, self._request, self._trouble)
        self._trouble += 1
        return (need,)

    def _again(self) -> tuple[NeedSnapshot, ...]:
        self.stats.failures += 1
        return self._need()

    def _keep(self, message: OrderEvent, sequence: int) -> None:
        buffer = self._buffer
        if buffer:
            last, _ = buffer[-1]
            if sequence <= last:
                self.stats.stale += 1
                return
            if not self._follows(last, sequence):
                # Messages before the gap are useless: the snapshot has to be newer than the gap.
                self.stats.gaps += 1
                buffer.clear()
            elif len(buffer) == self.buffer:
                buffer.popleft()
                self.stats.overflowed += 1
        buffer.append((sequence, message))

    def _taken(self, taken: SnapshotTaken) -> tuple[FullBookView | NeedSnapshot, ...]:
        snapshot, buffer = taken.snapshot, self._buffer
        if buffer and not self._follows(snapshot.sequence, buffer[0][0]):
            return self._again()
        if not self._orders.load(snapshot):
            self._clear()
            return self._again()
        self._sequence = snapshot.sequence
        self._auction = self._auction or snapshot.auction_mode
        time = snapshot.time
        while buffer:
            sequence, message = buffer.popleft()
            if sequence <= self._sequence:
                continue
            self._sequence, time = sequence, self._time(message)
            if _EFFECTS[type(message)](self._orders, message) is None:
                self.stats.contradictions += 1
                self._clear()
                return self._again()
        self.stats.snapshots += 1
        self._ready, self._since = True, 0
        return (self._view(time),)

    def _clear(self) -> None:
        self._orders.clear()
        self._sequence = 0

    # ---- live

    def _live(self, message: OrderEvent, sequence: int) -> tuple[FullBookView | NeedSnapshot, ...]:
        if sequence != self._sequence + 1:
            if sequence <= self._sequence:
                self.stats.stale += 1
                return ()
            if not self._follows(self._sequence, sequence):
                self.stats.gaps += 1
                return self._lost(message)
            self._unknown = {each for each in self._unknown if each > sequence}
        self._sequence = sequence - 1
        return self._next(message)

    def _next(self, message: OrderEvent) -> tuple[FullBookView | NeedSnapshot, ...]:
        """Apply *message*, which follows."""
        self._sequence += 1
        self._since += 1
        if self._since == _STEADY:
            self._trouble = 0
        changed = _EFFECTS[type(message)](self._orders, message)
        if changed:
            return (self._view(self._time(message)),)
        if changed is None:
            self.stats.contradictions += 1
            return self._lost(message)
        return ()

    def _time(self, message: Message) -> datetime | None:
        time = message.time
        return time if time is None or time <= self.clock.limit else self.clock.limited(message, time)

    # ---- sequences

    def _skip(self, sequence: int) -> None:
        """*sequence* is that of a message that changes no order: one of an unknown type, or of an auction."""
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown.add(sequence)

    def _follows(self, last: int, sequence: int) -> bool:
        """True if nothing is missing between *last* and *sequence*."""
        between = sequence - last - 1
        return between <= 0 or (between <= len(self._unknown) and self._unknown.issuperset(range(last + 1, sequence)))

    def _view(self, time: datetime | None) -> FullBookView:
        orders = self._orders
        bid, ask = orders.bids.best, orders.asks.best
        bids, asks = orders.bids.recorded, orders.asks.recorded
        return FullBookView(
            product_id=self.product_id,
            ready=True,
            time=time,
            sequence=self._sequence,
            crossed=bid is not None and ask is not None and bid[0] >= ask[0] and not self._auction,
            best_bid=bid,
            best_ask=ask,
            depth=self.depth,
            _bids=bids.state if bids.made is None else bids.made,
            _asks=asks.state if asks.made is None else asks.made,
            _orders=orders.recorded.state,
        )
