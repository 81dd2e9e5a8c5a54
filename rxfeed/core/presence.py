"""Which products are there, and which have left."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

from rxfeed.core.watched import earlier, positive_span
from rxfeed.messages import Subscriptions


class Presence:
    """Steps every item; outputs the ids of the products that left before it.

    A product leaves when the exchange's answer to a subscription (`Subscriptions`, in every feed's messages) lists it
    in no channel any more, and, with *idle*, when an item of another product is *idle* or more seconds later than its
    newest. It comes back with its next item. O(1) a message and product that leaves.

    >>> fold(Presence(60), [ticker(1, time=0), ticker(1, product_id="ETH-USD", time=60)])
    ['BTC-USD']
    """

    __slots__ = ("_idle", "_newest")

    def __init__(self, idle: float | None = None) -> None:
        self._idle = None if idle is None else positive_span("idle", idle)
        self._newest: OrderedDict[str, datetime | None] = OrderedDict()  # who was silent longest is first

    def __len__(self) -> int:
        return len(self._newest)

    def step(self, item: Any) -> tuple[str, ...]:
        if type(item) is Subscriptions:
            return self._listed(item)
        product_id = getattr(item, "product_id", None)
        if product_id is None:
            return ()
        newest = self._newest
        if self._idle is None:
            newest.setdefault(product_id)
            return ()
        time: datetime | None = getattr(item, "time", None)
        newest[product_id] = time
        newest.move_to_end(product_id)
        return () if time is None else self._silent(time, self._idle)

    def finish(self) -> tuple[str, ...]:
        self._newest.clear()
        return ()

    def _silent(self, time: datetime, idle: timedelta) -> tuple[str, ...]:
        left: list[str] = []
        limit = earlier(time, idle)
        while True:
            product_id, last = next(iter(self._newest.items()))
            # What was silent longest cannot be newer: its time was wrong, or it had none.
            if last is None or last > time:
                self._newest[product_id] = time
                break
            if last > limit:
                break
            del self._newest[product_id]
            left.append(product_id)
        return tuple(left)

    def _listed(self, answer: Subscriptions) -> tuple[str, ...]:
        listed = {product for channel in answer.channels for product in channel.product_ids or ()}
        left = tuple(product for product in self._newest if product not in listed)
        for product in left:
            del self._newest[product]
        return left
