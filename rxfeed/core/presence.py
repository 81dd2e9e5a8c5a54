"""Which products are there, and which have left."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.core.watched import positive_span
from rxfeed.market import Subscriptions


class Presence:
    """Steps every item; outputs the ids of the products that left before it.

    A product leaves when the exchange's answer to a subscription (`Subscriptions`, in every feed's messages) lists it
    in no channel any more, and, with *idle*, when an item of another product is *idle* or more seconds later than its
    newest. It comes back with its next item. An item dated more than *max_ahead* seconds after its receipt (see
    `EventClock`) counts as one without a time. O(1) a message and product that leaves.

    >>> fold(Presence(60), [ticker(1, time=0), ticker(1, product_id="ETH-USD", time=60)])
    ['BTC-USD']
    """

    __slots__ = ("_idle", "_newest", "clock")

    def __init__(self, idle: float | None = None, *, max_ahead: float | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self._idle = None if idle is None else positive_span("idle", idle)
        self._newest: OrderedDict[str, datetime | None] = OrderedDict()  # the one silent longest is first

    def __len__(self) -> int:
        return len(self._newest)

    def step(self, item: Any) -> tuple[str, ...]:
        if isinstance(item, Subscriptions):
            return self._listed(item)
        product_id = getattr(item, "product_id", None)
        if product_id is None:
            return ()
        newest = self._newest
        if self._idle is None:
            newest.setdefault(product_id)
            return ()
        time: datetime | None = getattr(item, "time", None)
        if time is not None and time > self.clock.limit and self.clock.is_ahead(item, time):
            time = None
        newest[product_id] = time
        newest.move_to_end(product_id)
        if time is None:
            return ()
        left: list[str] = []
        # The item's own product is the last one, and never idle.
        while (oldest := next(iter(newest))) != product_id:
            last = newest[oldest]
            # The one silent longest cannot be newer: its time was wrong, or it had none.
            if last is None or last > time:
                newest[oldest] = time
                break
            if time - last < self._idle:
                break
            del newest[oldest]
            left.append(oldest)
        return tuple(left)

    def finish(self) -> tuple[str, ...]:
        self._newest.clear()
        return ()

    def _listed(self, answer: Subscriptions) -> tuple[str, ...]:
        listed = {product for channel in answer.channels for product in channel.product_ids or ()}
        left = tuple(product for product in self._newest if product not in listed)
        for product in left:
            del self._newest[product]
        return left
