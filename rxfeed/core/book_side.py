"""One side of a book that changes in place, with immutable states of it for views.

Rules:
- The levels are in a dict, and the prices in a heap, from which the next best one comes. A price that is gone leaves
  the heap when it is at the top. If too many are gone, the heap is made anew at the next use.
- Most views are read at their best price only. So a change is appended to a list, and a `SideState` is the number of
  changes before it. The sorted map of a state is made when it is read, from that of the last state that was read.
- After a number of changes a list begins anew. If states of the old one were read, it begins with their map, so that a
  further reading costs O(log n) a change. If not, it begins with a copy of the dict, which costs far less than a map.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Any

from rxfeed.core.numbers import ZERO
from rxfeed.core.sorted_map import SortedMap
from rxfeed.market import Level

_CHANGES = 512  # at least, before a list of changes begins anew
_GONE = 64  # prices that are gone and may be in the heap, beside as many as there are levels


class BookSide:
    """The levels of one side, from *levels*; *highest*: the best price is the highest one.

    Prices are equal by value, and are shown as they were written first. If a price is listed twice, its last size
    counts. O(1) a change that does not take away the best price, amortised O(log n) otherwise.

    >>> from decimal import Decimal
    >>> from rxfeed.core.book_side import BookSide
    >>> bids = BookSide([(Decimal(9), Decimal(1)), (Decimal(8), Decimal(2))], highest=True)
    >>> before = bids.state
    >>> bids.put(Decimal(9), Decimal(0)), bids.best, len(before), len(bids.state)
    (True, (Decimal('8'), Decimal('2')), 2, 1)
    """

    __slots__ = ("_heap", "_highest", "_levels", "_most", "_record", "_state", "best")

    def __init__(self, levels: Iterable[Level] = (), *, highest: bool) -> None:
        given = tuple(levels)
        self._levels: dict[Decimal, Level] = {level[0]: level for level in given if level[1]}
        if len(self._levels) < len(given):
            self._levels = {price: (price, size) for price, size in dict(given).items() if size}
        self._highest = highest
        self._heap: list[Decimal] | None = None  # until the best price is gone
        best = (max if highest else min)(self._levels, default=None)
        self.best: Level | None = None if best is None else self._levels[best]
        self._begin(self._levels.copy())

    @property
    def state(self) -> SortedMap[Decimal, Decimal]:
        """The side as it is now: a `SideState`, which has the methods of a map for reading."""
        state: Any = self._state
        if state is None:
            state = self._state = SideState(self._record, len(self._record.changes))
        return state

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
        self._state = None
        changes = self._record.changes
        changes.append(level)
        if len(changes) >= self._most:
            record = self._record
            self._begin(record.at(len(changes)) if record.was_read else levels.copy())
        return True

    def _begin(self, base: Mapping[Decimal, Level] | SortedMap[Decimal, Decimal]) -> None:
        self._record = _Record(base)
        self._state: SideState | None = None
        self._most = max(_CHANGES, len(self._levels) // 4)

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


class _Record:
    """The *changes* of a side since *base*, and the map of the latest state that was read.

    Any thread may read: a change is only ever appended, and the last map is replaced as a whole.
    """

    __slots__ = ("_base", "_last", "changes")

    def __init__(self, base: Mapping[Decimal, Level] | SortedMap[Decimal, Decimal]) -> None:
        self.changes: list[Level] = []
        self._base = base
        self._last: tuple[int, SortedMap[Decimal, Decimal]] | None = None

    @property
    def was_read(self) -> bool:
        return self._last is not None

    def at(self, count: int) -> SortedMap[Decimal, Decimal]:
        """The map after the first *count* changes."""
        last = self._last
        if last is None or last[0] > count:
            base = self._base
            if not isinstance(base, SortedMap):
                self._base = base = SortedMap.of(base.values())
            done, found = 0, base
        else:
            done, found = last
        for price, size in self.changes[done:count]:
            found = found.put(price, size) if size else found.drop(price)
        if last is None or last[0] < count:
            self._last = count, found
        return found


class SideState:
    """A side at one moment, as a map of prices in ascending order: see `SortedMap`. Any thread may use it."""

    __slots__ = ("_count", "_map", "_record")

    def __init__(self, record: _Record, count: int) -> None:
        self._record: _Record | None = record
        self._count = count
        self._map: SortedMap[Decimal, Decimal] | None = None

    @property
    def map(self) -> SortedMap[Decimal, Decimal]:
        """The sorted map, which the first call makes."""
        record = self._record
        if self._map is None and record is not None:
            self._map = record.at(self._count)
            self._record = None
        assert self._map is not None
        return self._map

    def get(self, price: Decimal) -> Decimal | None:
        """The size at *price*, or `None`."""
        return self.map.get(price)

    def __iter__(self) -> Iterator[Level]:
        return iter(self.map)

    def __reversed__(self) -> Iterator[Level]:
        return reversed(self.map)

    def __len__(self) -> int:
        return len(self.map)

    def __bool__(self) -> bool:
        return bool(self.map)

    def __eq__(self, other: object) -> bool:
        return self.map == (other.map if isinstance(other, SideState) else other)

    def __hash__(self) -> int:
        return hash(self.map)

    def __repr__(self) -> str:
        return repr(self.map)

    def __reduce__(self) -> tuple[Any, ...]:
        return SortedMap.of, (list(self.map),)
