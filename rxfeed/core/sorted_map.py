"""An immutable sorted map, for the levels and orders of books.

It is a B-tree of tuples. Setting a key makes a new map in O(log n), which shares all nodes but one path with the old
map. So every version of a book can be used in any thread, without copies and without locks. Searching and copying
inside a node is done in C (`bisect`; copying a tuple into a list and back takes half the time of slices).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, starmap
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
_Step = tuple[tuple[_Key, ...], tuple[_Value, ...], int]
"""A node's keys and values, and the place of the child that is next."""


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
        return SortedMap.ascending(sorted(dict(items).items(), key=itemgetter(0)))

    @staticmethod
    def ascending(items: Sequence[tuple[A, B]]) -> SortedMap[A, B]:
        """The map of *items*, in the ascending order of their keys. O(n)."""
        nodes: list[_Node] = []
        for start in range(0, len(items), _FILL):
            keys, values = zip(*items[start : start + _FILL], strict=True)
            nodes.append((keys, values))
        height = 0
        while len(nodes) > 1:
            parts = [nodes[start : start + _FILL] for start in range(0, len(nodes), _FILL)]
            nodes = [(tuple(node[0][0] for node in part), tuple(part)) for part in parts]
            height += 1
        return SortedMap(nodes[0] if nodes else None, height)

    def put(self, key: K, value: V) -> SortedMap[K, V]:
        """The map with *value* at *key*; the same map if it is there already. O(log n)."""
        if self._root is None:
            return SortedMap(((key,), (value,)), 0)
        # In a loop, and with the copies written out: calls would take half of the time.
        path: list[_Step] = []
        keys, values = self._root
        for _ in range(self._height):
            at = bisect_right(keys, key)
            at -= at > 0
            path.append((keys, values, at))
            keys, values = values[at]
        at = bisect_left(keys, key)
        copy = [*values]
        if at < len(keys) and keys[at] == key:
            if values[at] == value:
                return self
            copy[at] = value
        else:
            more = [*keys]
            more.insert(at, key)
            copy.insert(at, value)
            keys = tuple(more)
            if len(keys) > _MOST:
                return _split(path, keys, tuple(copy), self._height)
        return SortedMap(_replaced(path, (keys, tuple(copy))), self._height)

    def drop(self, key: K) -> SortedMap[K, V]:
        """The map without *key*; the same map if it is not there. O(log n)."""
        if self._root is None:
            return self
        path: list[_Step] = []
        keys, values = self._root
        for _ in range(self._height):
            at = bisect_right(keys, key)
            at -= at > 0
            path.append((keys, values, at))
            keys, values = values[at]
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            return self
        while len(keys) == 1:  # without it the node is empty, and so is not in the one above
            if not path:
                return SortedMap()
            keys, values, at = path.pop()
        fewer, copy = [*keys], [*values]
        del fewer[at], copy[at]
        root, height = _replaced(path, (tuple(fewer), tuple(copy))), self._height
        while height and len(root[1]) == 1:
            root, height = root[1][0], height - 1
        return SortedMap(root, height)

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

    def since(self, key: K) -> Iterator[tuple[K, V]]:
        """The keys that are not below *key*, ascending, each with its value. O(log n) to the first of them."""
        return iter(()) if self._root is None else _since(self._root, self._height, key)

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


def _replaced(path: list[_Step], node: _Node) -> _Node:
    """The root with *node* in place of the one to which *path* leads."""
    for keys, values, at in reversed(path):
        copy = [*values]
        copy[at] = node
        node = keys, tuple(copy)
    return node


def _split(path: list[_Step], keys: tuple[_Key, ...], values: tuple[_Value, ...], height: int) -> SortedMap[Any, Any]:
    """The map with a node of *keys* and *values* at *path*, which is too large, and so becomes two."""
    while len(keys) > _MOST:
        half = len(keys) // 2
        low, high = (keys[:half], values[:half]), (keys[half:], values[half:])
        if not path:
            return SortedMap(((low[0][0], high[0][0]), (low, high)), height + 1)
        above, nodes, at = path.pop()
        keys = (*above[: at + 1], high[0][0], *above[at + 1 :])
        values = (*nodes[:at], low, high, *nodes[at + 1 :])
    return SortedMap(_replaced(path, (keys, values)), height)


def _ascending(node: _Node, height: int) -> Iterator[tuple[_Key, _Value]]:
    if not height:
        return zip(*node, strict=True)
    if height == 1:  # without a call for each item
        return chain.from_iterable(starmap(zip, node[1]))
    return chain.from_iterable(_ascending(child, height - 1) for child in node[1])


def _since(node: _Node, height: int, key: _Key) -> Iterator[tuple[_Key, _Value]]:
    keys, values = node
    if not height:
        at = bisect_left(keys, key)
        return zip(keys[at:], values[at:], strict=True)
    at = bisect_right(keys, key)
    at -= at > 0
    rest = (_ascending(child, height - 1) for child in values[at + 1 :])
    return chain(_since(values[at], height - 1, key), chain.from_iterable(rest))


def _descending(node: _Node, height: int) -> Iterator[tuple[_Key, _Value]]:
    if not height:
        return zip(reversed(node[0]), reversed(node[1]), strict=True)
    return chain.from_iterable(_descending(child, height - 1) for child in reversed(node[1]))
