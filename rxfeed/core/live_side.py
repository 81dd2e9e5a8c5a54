"""One side of a book by price, which changes in place, with immutable states of it for views.

Rules:
- The levels are in a dict, and the prices in a heap, from which the next best one comes. A price that is gone leaves
  the heap when it is at the top. If too many are gone, the heap is made anew at the next use.
- Most views are read at their best price only, so the sorted levels of a view are made when they are read: see
  `RecordedStates`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from heapq import heapify, heappop, heappush

from rxfeed.core.numbers import ZERO
from rxfeed.core.recorded_states import RecordedStates
from rxfeed.core.sorted_map import SortedMap
from rxfeed.market import Level

Sizes = SortedMap[Decimal, Decimal]
"""The size at each price."""
_GONE = 64  # prices that are gone and may be in the heap, beside as many as there are levels


class LiveSide:
    """The levels of one side, from *levels*; *highest*: the best price is the highest one.

    Prices are equal by value, and are shown as they were written first. If a price is listed twice, its last size
    counts. O(1) a change that does not take away the best price, amortised O(log n) otherwise.

    >>> from decimal import Decimal
    >>> from rxfeed.core.live_side import LiveSide
    >>> bids = LiveSide([(Decimal(9), Decimal(1)), (Decimal(8), Decimal(2))], highest=True)
    >>> before = bids.recorded.state
    >>> bids.put(Decimal(9), Decimal(0)), bids.best, len(before.form), len(bids.recorded.state.form)
    (True, (Decimal('8'), Decimal('2')), 2, 1)
    """

    __slots__ = ("_heap", "_highest", "_levels", "best", "recorded")

    def __init__(self, levels: Iterable[Level] = (), *, highest: bool) -> None:
        given = tuple(levels)
        self._levels: dict[Decimal, Level] = {level[0]: level for level in given if level[1]}
        if len(self._levels) < len(given):
            self._levels = {price: (price, size) for price, size in dict(given).items() if size}
        self._highest = highest
        self._heap: list[Decimal] | None = None  # until the best price is gone
        best = (max if highest else min)(self._levels, default=None)
        self.best: Level | None = None if best is None else self._levels[best]
        self.recorded: RecordedStates[Level, Sizes] = RecordedStates(self._levels, _sizes, _changed)
        """Its states, for views."""

    def get(self, price: Decimal) -> Decimal:
        """The size at *price*, zero for none."""
        level = self._levels.get(price)
        return ZERO if level is None else level[1]

    def put(self, price: Decimal, size: Decimal) -> bool:
        """Set the *size* at *price*, zero for none; False if it is the size that was there."""
        levels, best = self._levels, self.best
        before = levels.get(price)
        if before is not None:
            if before[1] == size:
                return False
            if size:
                level = levels[price] = (before[0], size)
                if before is best:
                    self.best = level
            else:
                level = (price, size)
                del levels[price]
                if before is best:
                    self.best = self._first()
        elif size:
            level = levels[price] = (price, size)
            if best is None or (price > best[0] if self._highest else price < best[0]):
                self.best = level
            heap = self._heap
            if heap is not None:
                heappush(heap, price.copy_negate() if self._highest else price)
                if len(heap) > 2 * len(levels) + _GONE:
                    self._heap = None
        else:
            return False
        recorded = self.recorded
        recorded.made = None
        recorded.changes.append(level)
        if len(recorded.changes) >= recorded.most:
            recorded.begin_anew()
        return True

    def _first(self) -> Level | None:
        """The best level, after prices that are gone have left the heap."""
        levels, heap = self._levels, self._heap
        if heap is None:
            heap = self._heap = [price.copy_negate() for price in levels] if self._highest else [*levels]
            heapify(heap)
        while heap:
            level = levels.get(heap[0].copy_negate() if self._highest else heap[0])
            if level is not None:
                return level
            heappop(heap)
        return None


def _sizes(levels: dict[Decimal, Level]) -> Sizes:
    return SortedMap.of(levels.values())


def _changed(sizes: Sizes, changes: list[Level]) -> Sizes:
    for price, size in changes:
        sizes = sizes.put(price, size) if size else sizes.drop(price)
    return sizes
