"""Immutable states of a dict that changes, each a sorted map that is made when it is read.

Rules:
- A change is appended to a list, and a state is the number of changes before it. Its sorted map is made from that of
  the last state that was read. So a state that is never read costs next to nothing.
- After a number of changes a list begins anew. If states of the old one were read, it begins with their map, so that a
  further reading costs O(log n) a change. If not, it begins with a copy of the dict, which costs far less than a map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

from rxfeed.core.sorted_map import SortedMap

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")

_CHANGES = 512  # at least, before a list of changes begins anew


class RecordedMap(Generic[K, V, A]):
    """The changes of *live*, which its owner changes; *pairs*: the function of its keys and values.

    >>> from rxfeed.core.recorded_map import RecordedMap
    >>> live = {2: "b"}
    >>> recorded = RecordedMap(live, dict.items)
    >>> before, live[1] = recorded.state, "a"
    >>> recorded.changed(1, "a")
    >>> list(before), list(recorded.state)
    ([(2, 'b')], [(1, 'a'), (2, 'b')])
    """

    __slots__ = ("_live", "_pairs", "_record", "changes", "made", "most")

    def __init__(self, live: dict[K, A], pairs: Callable[[dict[K, A]], Iterable[tuple[K, V]]]) -> None:
        self._live, self._pairs = live, pairs
        self._begin(live.copy())

    @property
    def state(self) -> SortedMap[K, V]:
        """The map as it is now: a `MapState`, which has the methods of a `SortedMap` for reading."""
        state: Any = self.made
        if state is None:
            state = self.made = MapState(self._record, len(self.changes))
        return state

    def changed(self, key: K, value: V | None) -> None:
        """The *value* at *key* was set; one that is false was removed."""
        self.made = None
        self.changes.append((key, value))
        if len(self.changes) >= self.most:
            self.begin_anew()

    def begin_anew(self) -> None:
        """Begin another list of changes."""
        record = self._record
        self._begin(record.at(len(self.changes)) if record.was_read else self._live.copy())

    def _begin(self, base: dict[K, A] | SortedMap[K, V]) -> None:
        self._record = _Record(base, self._pairs)
        self.changes = self._record.changes
        """What was changed since the list began; whatever appends to it sets *made* to `None`."""
        self.made: MapState[K, V] | None = None
        """The state as it is now, if it was needed."""
        self.most = max(_CHANGES, len(self._live) // 4)
        """The length at which the list of changes has to begin anew."""


class _Record(Generic[K, V]):
    """The *changes* since *base*, and the map of the latest state that was read.

    Any thread may read: a change is only ever appended, and the last map is replaced as a whole.
    """

    __slots__ = ("_base", "_last", "_pairs", "changes")

    def __init__(
        self, base: dict[K, A] | SortedMap[K, V], pairs: Callable[[dict[K, A]], Iterable[tuple[K, V]]]
    ) -> None:
        self.changes: list[tuple[K, V | None]] = []
        self._base: dict[K, Any] | SortedMap[K, V] = base
        self._pairs: Callable[[dict[K, Any]], Iterable[tuple[K, V]]] = pairs
        self._last: tuple[int, SortedMap[K, V]] | None = None

    @property
    def was_read(self) -> bool:
        return self._last is not None

    def at(self, count: int) -> SortedMap[K, V]:
        """The map after the first *count* changes."""
        last = self._last
        if last is None or last[0] > count:
            base = self._base
            if isinstance(base, dict):
                self._base = base = SortedMap.of(self._pairs(base))
            done, found = 0, base
        else:
            done, found = last
        for key, value in self.changes[done:count]:
            found = found.put(key, value) if value else found.drop(key)
        if last is None or last[0] < count:
            self._last = count, found
        return found


class MapState(Generic[K, V]):
    """A map at one moment; any thread may use it."""

    __slots__ = ("_count", "_map", "_record")

    def __init__(self, record: _Record[K, V], count: int) -> None:
        self._record: _Record[K, V] | None = record
        self._count = count
        self._map: SortedMap[K, V] | None = None

    @property
    def map(self) -> SortedMap[K, V]:
        """The sorted map, which the first call makes."""
        record = self._record
        if self._map is None and record is not None:
            self._map = record.at(self._count)
            self._record = None
        assert self._map is not None
        return self._map

    def get(self, key: K) -> V | None:
        """The value at *key*, or `None`."""
        return self.map.get(key)

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self.map)

    def __reversed__(self) -> Iterator[tuple[K, V]]:
        return reversed(self.map)

    def __len__(self) -> int:
        return len(self.map)

    def __bool__(self) -> bool:
        return bool(self.map)

    def __eq__(self, other: object) -> bool:
        return self.map == (cast("MapState[object, object]", other).map if isinstance(other, MapState) else other)

    def __hash__(self) -> int:
        return hash(self.map)

    def __repr__(self) -> str:
        return repr(self.map)

    def __reduce__(self) -> tuple[Any, ...]:
        return SortedMap.of, (list(self.map),)
