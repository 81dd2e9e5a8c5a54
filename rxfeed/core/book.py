"""The book by price, of `level2` and `level2_batch`.

Rules, from the channels' documentation:
- A snapshot replaces both sides. A change's size is the new total at its price, and zero deletes the price; deletes of
  prices that are not there are normal. Prices are equal by value, however they are written.
- The channel has no sequence: only the epoch shows a gap. After a gap the book is not known until the next snapshot,
  which the exchange sends whenever a connection subscribes.
- A book may be crossed while an auction collects orders (see `auctionfeed`). At any other time this is reported.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from rxfeed.core.arguments import Seconds, positive_integer, product
from rxfeed.core.book_view import BookView
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.live_side import LiveSide
from rxfeed.market import Auction, BookSnapshot, BookUpdate, Heartbeat, Message


class Level2Book:
    """Outputs a `BookView` of *product_id* for each message that changes its book, and one at each gap.

    The first view comes with the first snapshot. If an update or snapshot has another epoch, or an auction or heartbeat
    of the product a higher one, a view that is not `ready` is output. The next view comes with the next snapshot, which
    may be the same message. Levels that are not valid (a size below zero, a NaN) make a frame malformed, which raises
    the epoch of the book. O(1) for most changes, and O(1) a view. The first reading of a view beyond its best prices
    takes O(log n) a change since the last view that was read so, of n prices; see `LiveSide`. A view's time is limited
    (see `EventClock`).
    """

    __slots__ = (
        "_asks",
        "_auction",
        "_bids",
        "_epoch",
        "_ready",
        "_update_type",
        "clock",
        "depth",
        "product_id",
    )

    accepts: ClassVar[frozenset[type[Message]]] = frozenset((BookSnapshot, BookUpdate, Auction, Heartbeat))

    def __init__(self, product_id: str, depth: int | None = None, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self.product_id = product(product_id)
        self.depth = None if depth is None else positive_integer("depth", depth)
        self._empty()
        self._auction = False
        self._ready = False
        self._epoch = 0
        self._update_type: type[Message] = BookUpdate

    def step(self, message: Message) -> tuple[BookView, ...]:
        if message.product_id != self.product_id:
            return ()
        kind = type(message)
        if (kind is self._update_type or isinstance(message, BookUpdate)) and self._ready:
            self._update_type = kind  # a test for a subclass takes longer
            update: BookUpdate = message  # pyright: ignore[reportAssignmentType]  # the type of the last update
            origin = message._origin  # pyright: ignore[reportPrivateUsage]  # `epoch`, without the call that it is
            if (0 if origin is None else origin.epoch) == self._epoch:
                return self._update(update)
        if isinstance(message, BookSnapshot):
            return self._snapshot(message)
        if not isinstance(message, BookUpdate | Auction | Heartbeat):
            return ()
        if not self._ready:
            if isinstance(message, Auction):
                self._auction = message.collecting
            return ()
        epoch = message.epoch
        # A lower one is of another kind: the book alone may have been missed (see `epochs.py`).
        if epoch > self._epoch or (epoch < self._epoch and isinstance(message, BookUpdate)):
            return self._lost(message)
        if isinstance(message, Auction):
            self._auction = message.collecting
        return ()

    def finish(self) -> tuple[BookView, ...]:
        return ()

    def _snapshot(self, snapshot: BookSnapshot) -> tuple[BookView, ...]:
        lost = ()
        if snapshot.epoch != self._epoch:
            lost = self._lost(snapshot)
        self._bids, self._asks = LiveSide(snapshot.bids, highest=True), LiveSide(snapshot.asks, highest=False)
        self._ready, self._epoch = True, snapshot.epoch
        return (*lost, self._view(snapshot))

    def _update(self, update: BookUpdate) -> tuple[BookView, ...]:
        changes = update.changes
        if len(changes) != 1:
            return (self._view(update),) if self._changed(update) else ()
        ((side, price, size),) = changes
        if (self._bids if side == "buy" else self._asks).put(price, size):
            return (self._view(update),)
        return ()

    def _changed(self, update: BookUpdate) -> bool:
        """Apply the changes of *update*; True if any size differs from before: one may have reversed another."""
        before: dict[tuple[str, Decimal], Decimal] = {}
        for side, price, size in update.changes:
            levels = self._bids if side == "buy" else self._asks
            before.setdefault((side, price), levels.get(price))
            levels.put(price, size)
        return any(
            (self._bids if side == "buy" else self._asks).get(price) != size for (side, price), size in before.items()
        )

    def _view(self, message: Message) -> BookView:
        bid, ask, time = self._bids.best, self._asks.best, message.time
        bids, asks = self._bids.recorded, self._asks.recorded
        if time is not None and time > self.clock.limit:
            time = self.clock.limited(message, time)
        return BookView(
            product_id=self.product_id,
            ready=True,
            time=time,
            crossed=bid is not None and ask is not None and bid[0] >= ask[0] and not self._auction,
            best_bid=bid,
            best_ask=ask,
            depth=self.depth,
            _bids=bids.state if bids.made is None else bids.made,
            _asks=asks.state if asks.made is None else asks.made,
        )

    def _lost(self, message: Message) -> tuple[BookView, ...]:
        if not self._ready:
            return ()
        self._ready = self._auction = False
        self._empty()
        time = None if message.time is None else self.clock.limited(message, message.time)
        return (BookView(product_id=self.product_id, time=time, depth=self.depth),)

    def _empty(self) -> None:
        self._bids, self._asks = LiveSide(highest=True), LiveSide(highest=False)
