"""Tracks which products are active."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from rxfeed.core.arguments import Seconds, positive_span
from rxfeed.core.event_time import MAX_AHEAD, EventClock
from rxfeed.market import Subscriptions


class ActiveProducts:
    """Outputs, at every item, the ids of the products that stopped being active before it.

    A product stops being active when the exchange's acknowledgement (`Subscriptions`, in every feed's messages) lists
    it in no channel. With *idle*, it also does when an item of another product is *idle* or more seconds later than its
    newest item. Its next item makes it active again. An item dated more than *max_ahead* seconds after its receipt (see
    `EventClock`) is treated as one without a time. O(1) a message and product.

    >>> from rxfeed import fold
    >>> from rxfeed.core import ActiveProducts
    >>> from rxfeed.testing import ticker
    >>> fold(ActiveProducts(60), [ticker(1, time=0), ticker(1, product_id="ETH-USD", time=60)])
    ['BTC-USD']
    """

    __slots__ = ("_idle", "_newest", "clock")

    def __init__(self, idle: Seconds | None = None, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self._idle = None if idle is None else positive_span("idle", idle)
        self._newest: OrderedDict[str, datetime | None] = OrderedDict()  # the product with the oldest item is first

    def __len__(self) -> int:
        return len(self._newest)

    def step(self, item: object) -> tuple[str, ...]:
        if isinstance(item, Subscriptions):
            return self._listed(item)
        product_id: str | None = getattr(item, "product_id", None)
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
        # The item's own product is last, and never idle.
        while (oldest := next(iter(newest))) != product_id:
            last = newest[oldest]
            # The oldest item cannot have a later time: its time was wrong, or it had none.
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
