"""An immutable sorted map, for the levels and orders of books.

It is a B-tree of tuples. Setting a key makes a new map in O(log n), which shares all nodes but one path with the old
map. So every version of a book can be used in any thread, without copies and without locks. Searching and copying
inside a node is done in C (`bisect`; copying a tuple into a list and back takes half the time of slices).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast

import msgspec

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")
B = TypeVar("B")

_MOST = 64  # keys in a node
_FILL = 42  # keys in a node of a map that is made at once

# (keys, values). In a leaf each key has its value. Above, values are nodes, and each key but the first is the lowest
# key that its node may have. Nodes are never empty. They are not merged, since nodes of old prices become empty.
_Key = Any  # K, and V or a node: which of them depends on a node's height
_Value = Any
_Node = tuple[tuple[_Key, ...], tuple[_Value, ...]]


class SortedMap(msgspec.Struct, Generic[K, V], frozen=True, gc=False, eq=False):
    """Keys in ascending order, each with its value; keys are equal by value (`Decimal("1.0")` is `Decimal(1)`).

    >>> from rxfeed.core.sorted_map import SortedMap
    >>> book = SortedMap.of([(10, "a"), (11, "b")])
    >>> list(book.put(11, "c")), list(book.drop(10)), list(book)
    ([(10, 'a'), (11, 'c')], [(11, 'b')], [(10, 'a'), (11, 'b')])
    """

    _root: _Node | None = None
    _height: int = 0

    @staticmethod
    def of(items: Iterable[tuple[A, B]]) -> SortedMap[A, B]:
        """The map of *items*; if keys are equal, the last one counts. O(n log n)."""
        ordered = sorted(dict(items).items(), key=itemgetter(0))
        nodes: list[_Node] = []
        for start in range(0, len(ordered), _FILL):
            part = ordered[start : start + _FILL]
            nodes.append((tuple(key for key, _ in part), tuple(value for _, value in part)))
        height = 0
        while len(nodes) > 1:
            parts = [nodes[start : start + _FILL] for start in range(0, len(nodes), _FILL)]
            nodes = [(tuple(node[0][0] for node in part), tuple(part)) for part in parts]
            height += 1
        return SortedMap(nodes[0] if nodes else None, height)

    def put(self, key: K, value: V) -> SortedMap[K, V]:
        """The map with *value* at *key*; the same map if it is there already. O(log n)."""
        root, height = self._root, self._height
        if root is None:
            return SortedMap(((key,), (value,)), 0)
        parts = _put(root, height, key, value)
        if len(parts) == 2:
            return SortedMap(((parts[0][0][0], parts[1][0][0]), parts), height + 1)
        return self if parts[0] is root else SortedMap(parts[0], height)

    def drop(self, key: K) -> SortedMap[K, V]:
        """The map without *key*; the same map if it is not there. O(log n)."""
        root, height = self._root, self._height
        if root is None:
            return self
        left = _drop(root, height, key)
        if left is root:
            return self
        if left is None:
            return SortedMap()
        while height and len(left[1]) == 1:
            left, height = left[1][0], height - 1
        return SortedMap(left, height)

    def get(self, key: K) -> V | None:
        """The value at *key*, or `None`. O(log n)."""
        node = self._root
        if node is None:
            return None
        for _ in range(self._height):
            at = bisect_right(node[0], key)
            node = node[1][at - 1 if at else 0]
        keys, values = node
        at = bisect_left(keys, key)
        return values[at] if at < len(keys) and keys[at] == key else None

    def first(self) -> tuple[K, V] | None:
        """The lowest key and its value. O(log n)."""
        node = self._root
        if node is None:
            return None
        for _ in range(self._height):
            node = node[1][0]
        return node[0][0], node[1][0]

    def last(self) -> tuple[K, V] | None:
        """The highest key and its value. O(log n)."""
        node = self._root
        if node is None:
            return None
        for _ in range(self._height):
            node = node[1][-1]
        return node[0][-1], node[1][-1]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(()) if self._root is None else _ascending(self._root, self._height)

    def __reversed__(self) -> Iterator[tuple[K, V]]:
        return iter(()) if self._root is None else _descending(self._root, self._height)

    def __len__(self) -> int:
        """O(n)."""
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return self._root is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SortedMap):
            return NotImplemented
        items = cast("SortedMap[object, object]", other)
        return self is items or self._root is items._root or list(self) == list(items)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"SortedMap({list(self)!r})"


def _put(node: _Node, height: int, key: _Key, value: _Value) -> tuple[_Node, ...]:
    """The replacement of *node*: itself if nothing changes, one node, or two nodes if it was full."""
    keys, values = node
    if height:
        at = bisect_right(keys, key)
        at -= at > 0
        child = values[at]
        parts = _put(child, height - 1, key, value)
        if len(parts) == 1:
            return (node,) if parts[0] is child else ((keys, _with(values, at, parts[0])),)
        values = values[:at] + parts + values[at + 1 :]
        keys = _with_more(keys, at + 1, parts[1][0][0])
    else:
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            return (node,) if values[at] == value else ((keys, _with(values, at, value)),)
        keys, values = _with_more(keys, at, key), _with_more(values, at, value)
    if len(keys) <= _MOST:
        return ((keys, values),)
    half = len(keys) // 2
    return ((keys[:half], values[:half]), (keys[half:], values[half:]))


def _with(values: tuple[_Value, ...], at: int, value: _Value) -> tuple[_Value, ...]:
    copy = list(values)
    copy[at] = value
    return tuple(copy)


def _with_more(values: tuple[_Value, ...], at: int, value: _Value) -> tuple[_Value, ...]:
    copy = list(values)
    copy.insert(at, value)
    return tuple(copy)


def _drop(node: _Node, height: int, key: _Key) -> _Node | None:
    """The remainder of *node*: itself if *key* is not in it, `None` if it is empty."""
    keys, values = node
    if height:
        at = bisect_right(keys, key)
        at -= at > 0
        child = values[at]
        left = _drop(child, height - 1, key)
        if left is child:
            return node
        if left is not None:
            return keys, _with(values, at, left)
    else:
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            return node
    if len(keys) == 1:
        return None
    return keys[:at] + keys[at + 1 :], values[:at] + values[at + 1 :]


def _ascending(node: _Node, height: int) -> Iterator[tuple[_Key, _Value]]:
    if not height:
        yield from zip(*node, strict=True)
        return
    for child in node[1]:
        yield from _ascending(child, height - 1)


def _descending(node: _Node, height: int) -> Iterator[tuple[_Key, _Value]]:
    if not height:
        yield from zip(reversed(node[0]), reversed(node[1]), strict=True)
        return
    for child in reversed(node[1]):
        yield from _descending(child, height - 1)
