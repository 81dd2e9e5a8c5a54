"""The newest of each product, and one in so many seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Generic, TypeVar

from rxfeed.core.active_products import ActiveProducts
from rxfeed.core.arguments import Seconds, positive_span
from rxfeed.core.event_time import MAX_AHEAD, EventClock

T = TypeVar("T")


class LatestByProduct(Generic[T]):
    """Outputs, at every item, the newest item of each product so far, by product id.

    It is the same mapping each time, live and read-only: `dict(latest)` keeps a copy. A product is removed when
    `ActiveProducts` outputs it. Items without a product are not in it. O(1) an item; memory grows with the number of
    products.

    >>> from rxfeed import fold
    >>> from rxfeed.core import LatestByProduct
    >>> from rxfeed.testing import ticker
    >>> [sorted(latest) for latest in map(dict, fold(LatestByProduct(), [ticker(1), ticker(2, product_id="A-B")]))]
    [['A-B', 'BTC-USD'], ['A-B', 'BTC-USD']]
    """

    __slots__ = ("_items", "_presence", "_view", "clock")

    def __init__(self, idle: Seconds | None = None, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self._presence = ActiveProducts(idle, max_ahead=max_ahead)
        self.clock = self._presence.clock
        self._items: dict[str, T] = {}
        self._view = MappingProxyType(self._items)

    def step(self, item: T) -> tuple[Mapping[str, T], ...]:
        left = self._presence.step(item)
        for product in left:
            self._items.pop(product, None)
        product_id: str | None = getattr(item, "product_id", None)
        if product_id is not None:
            self._items[product_id] = item
        elif not left:
            return ()
        return (self._view,)

    def finish(self) -> tuple[Mapping[str, T], ...]:
        self._presence.finish()
        return ()


class Throttle(Generic[T]):
    """Outputs an item of a product if its time is *seconds* or more after the last one that was output.

    What comes between is dropped. The first item after a gap (a higher `epoch`) is output at once, and so are items
    without a product or a time, or dated more than *max_ahead* seconds after their receipt (see `EventClock`). O(1) an
    item; memory grows with the number of products.

    >>> from rxfeed import fold
    >>> from rxfeed.core import Throttle
    >>> from rxfeed.testing import ticker
    >>> [str(t.price) for t in fold(Throttle(1), [ticker(1, time=0), ticker(2, time=0.9), ticker(3, time=1)])]
    ['1', '3']
    """

    __slots__ = ("_last", "_width", "clock")

    def __init__(self, seconds: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD) -> None:
        self.clock = EventClock(max_ahead)
        self._width = positive_span("seconds", seconds)
        self._last: dict[str, tuple[int, datetime]] = {}  # the highest epoch, and the time of the last one

    def step(self, item: T) -> tuple[T, ...]:
        product_id: str | None = getattr(item, "product_id", None)
        time: datetime | None = getattr(item, "time", None)
        if product_id is None or time is None:
            return (item,)
        if time > self.clock.limit and self.clock.is_ahead(item, time):
            return (item,)
        epoch: int = getattr(item, "epoch", 0)
        last = self._last.get(product_id)
        if last is not None and epoch <= last[0] and time - last[1] < self._width:
            return ()
        self._last[product_id] = epoch if last is None else max(epoch, last[0]), time
        return (item,)

    def finish(self) -> tuple[T, ...]:
        self._last = {}
        return ()
