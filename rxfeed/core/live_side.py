"""One side of a book by price, which changes in place, with immutable states of it for views.

Rules:
- The levels of the snapshot stay in a list in the order of their prices. Those that have changed since are in a dict by
  price, with `None` for one that was removed. So a price is hashed when it changes, and not before: to hash a `Decimal`
  for the first time takes longer than anything else here, and most levels of a large snapshot never change.
- The prices of the dict are in a heap, from which the best of them comes. A price that is gone leaves the heap when it
  is at the top. If too many are gone, the heap is made anew at the next use. The better one of this price and of the
  snapshot's first level that has not changed is the best.
- Most views are read at their best price only, so the sorted levels of a view are made when they are read: see
  `RecordedStates`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from heapq import heapify, heappop, heappush
from operator import itemgetter, lt

from rxfeed.core.numbers import ZERO
from rxfeed.core.recorded_states import RecordedStates
from rxfeed.core.sorted_map import SortedMap
from rxfeed.market import Level

Sizes = SortedMap[Decimal, Decimal]
"""The size at each price."""
_GONE = 64  # prices that are gone and may be in the heap or the dict, beside as many as there are levels
_price, _size = itemgetter(0), itemgetter(1)


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

    __slots__ = ("_first", "_heap", "_highest", "_levels", "_most", "_prices", "_snapshot", "best", "recorded")

    def __init__(self, levels: Iterable[Level] = (), *, highest: bool) -> None:
        self._snapshot = _ascending(levels, highest)
        self._prices = [*map(_price, self._snapshot)]
        self._first = len(self._prices) - 1 if highest else 0
        """The place of the best level of the snapshot that has not changed."""
        self._highest = highest
        self._levels: dict[Decimal, Level | None] = {}
        self._most = _GONE  # entries of the dict, until those that are not needed are removed
        self._heap: list[Decimal] | None = None  # until the best price is gone
        self.best: Level | None = self._snapshot[self._first] if self._snapshot else None
        self.recorded: RecordedStates[Level, Sizes] = RecordedStates(
            self._levels, partial(_sizes, self._snapshot), _changed
        )
        """Its states, for views."""

    def get(self, price: Decimal) -> Decimal:
        """The size at *price*, zero for none."""
        level = self._levels[price] if price in self._levels else self._unchanged(price)
        return ZERO if level is None else level[1]

    def put(self, price: Decimal, size: Decimal) -> bool:
        """Set the *size* at *price*, zero for none; False if it is the size that was there."""
        levels, best = self._levels, self.best
        before = levels.get(price)
        is_listed = before is not None  # in the dict, and so in the heap
        if before is None and price not in levels:
            before = self._unchanged(price)
        if before is not None:
            if before[1] == size:
                return False
            if size:
                level = levels[price] = (before[0], size)
                if before is best:
                    self.best = level
            else:
                level = (price, size)
                levels[price] = None
                if before is best:
                    self.best = self._best()
        elif size:
            level = levels[price] = (price, size)
            if best is None or (price > best[0] if self._highest else price < best[0]):
                self.best = level
        else:
            return False
        if size and not is_listed:
            heap = self._heap
            if heap is not None:
                heappush(heap, price.copy_negate() if self._highest else price)
                if len(heap) > 2 * len(levels) + _GONE:
                    self._heap = None
            if len(levels) > self._most:
                self._remove_gone()
        recorded = self.recorded
        recorded.made = None
        recorded.changes.append(level)
        if len(recorded.changes) >= recorded.most:
            recorded.begin_anew()
        return True

    def _unchanged(self, price: Decimal) -> Level | None:
        """The level of the snapshot at *price*, which is not in the dict."""
        prices = self._prices
        at = bisect_left(prices, price)
        return self._snapshot[at] if at < len(prices) and prices[at] == price else None

    def _remove_gone(self) -> None:
        """Remove the entries of prices that are gone, and that the snapshot does not have."""
        levels = self._levels
        gone = [price for price, level in levels.items() if level is None and self._unchanged(price) is None]
        for price in gone:
            del levels[price]
        self._most = 2 * len(levels) + _GONE

    def _best(self) -> Level | None:
        """The best level, after prices that are gone have left the heap."""
        levels, heap, prices, highest = self._levels, self._heap, self._prices, self._highest
        step = -1 if highest else 1
        while 0 <= self._first < len(prices) and prices[self._first] in levels:
            self._first += step
        unchanged = self._snapshot[self._first] if 0 <= self._first < len(prices) else None
        if heap is None:
            listed = (price for price, level in levels.items() if level is not None)
            heap = self._heap = [price.copy_negate() for price in listed] if highest else [*listed]
            heapify(heap)
        while heap:
            level = levels.get(heap[0].copy_negate() if highest else heap[0])
            if level is not None:
                return level if unchanged is None or (level[0] > unchanged[0]) == highest else unchanged
            heappop(heap)
        return unchanged


def _ascending(levels: Iterable[Level], highest: bool) -> tuple[Level, ...]:
    """*levels* by price, without those that have no size."""
    given = tuple(levels)
    if highest:
        given = given[::-1]
    prices = [*map(_price, given)]
    if all(map(_size, given)) and all(map(lt, prices, prices[1:])):  # as a venue sends them
        return given
    if highest:
        given = given[::-1]
    return tuple(sorted(((price, size) for price, size in dict(given).items() if size), key=_price))


def _sizes(snapshot: tuple[Level, ...], levels: dict[Decimal, Level | None]) -> Sizes:
    changes = ((price, ZERO) if level is None else level for price, level in levels.items())
    return _changed(SortedMap.ascending(snapshot), changes)


def _changed(sizes: Sizes, changes: Iterable[Level]) -> Sizes:
    for price, size in changes:
        sizes = sizes.put(price, size) if size else sizes.drop(price)
    return sizes
