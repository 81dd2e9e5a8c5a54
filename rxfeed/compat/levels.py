"""A sorted mapping of prices, as cbpro's books have it: the part of `SortedDict` that scripts use.

Rules:
- Keys ascend. Prices are equal by value, so `levels.get(99.5)` finds `Decimal("99.50")`.
- Another thread may iterate while the book changes: it then sees the keys as they were.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

if TYPE_CHECKING:
    from _typeshed import SupportsRichComparison

K = TypeVar("K", bound="SupportsRichComparison")
V = TypeVar("V")
T = TypeVar("T")


class SortedLevels(dict[K, V]):
    """A dict with its keys in ascending order.

    >>> from rxfeed.compat.levels import SortedLevels
    >>> levels = SortedLevels({2: "b", 1: "a"})
    >>> levels.peekitem(0), levels.peekitem(-1), list(levels), levels.keys()[0]
    ((1, 'a'), (2, 'b'), [1, 2], 1)
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._keys: list[K] = sorted(super().keys())

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self:
            insort(self._keys, key)
        super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        super().__delitem__(key)
        del self._keys[bisect_left(self._keys, key)]

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys.copy())

    def __reversed__(self) -> Iterator[K]:
        return reversed(self._keys.copy())

    def __repr__(self) -> str:
        return f"SortedLevels({{{', '.join(f'{key!r}: {self[key]!r}' for key in self)}}})"

    def __reduce__(self) -> tuple[object, ...]:
        return SortedLevels, ([(key, self[key]) for key in self],)

    def __deepcopy__(self, memo: dict[int, object]) -> SortedLevels[K, V]:
        from copy import deepcopy

        return SortedLevels([(key, deepcopy(self[key], memo)) for key in self])

    def peekitem(self, index: int = -1) -> tuple[K, V]:
        """The item at *index* of the order; raises `IndexError`."""
        key = self._keys[index]
        return key, self[key]

    # The methods below that differ from those of `dict` do so as sortedcontainers' do.
    def popitem(self, index: int = -1) -> tuple[K, V]:  # pyright: ignore[reportIncompatibleMethodOverride]  # as sortedcontainers
        """Remove and return the item at *index* of the order."""
        key, value = self.peekitem(index)
        del self[key]
        return key, value

    def pop(self, key: K, *default: T) -> V | T:  # pyright: ignore[reportIncompatibleMethodOverride]  # as sortedcontainers
        """Remove *key* and return its value, or *default*."""
        if default and key not in self:
            return default[0]
        value = self[key]
        del self[key]
        return value

    def setdefault(self, key: K, default: Any = None) -> V:
        """The value of *key*, which is *default* if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *given: Any, **named: Any) -> None:
        """Set all items of a mapping."""
        for key, value in dict(*given, **named).items():
            self[key] = value  # pyright: ignore[reportArgumentType]  # a key of any type, not only the names

    def clear(self) -> None:
        """Remove everything."""
        super().clear()
        self._keys.clear()

    def copy(self) -> SortedLevels[K, V]:
        """Another mapping with the same items."""
        return SortedLevels([(key, self[key]) for key in self])

    def bisect_left(self, key: K) -> int:
        """The number of keys below *key*."""
        return bisect_left(self._keys, key)

    def bisect_right(self, key: K) -> int:
        """The number of keys up to *key*."""
        return bisect_right(self._keys, key)

    def irange(
        self,
        minimum: K | None = None,
        maximum: K | None = None,
        inclusive: tuple[bool, bool] = (True, True),
        reverse: bool = False,
    ) -> Iterator[K]:
        """The keys from *minimum* to *maximum*."""
        cut = bisect_left if inclusive[0] else bisect_right
        first = 0 if minimum is None else cut(self._keys, minimum)
        cut = bisect_right if inclusive[1] else bisect_left
        last = len(self._keys) if maximum is None else cut(self._keys, maximum)
        found = self._keys[first:last]
        return reversed(found) if reverse else iter(found)

    def keys(self) -> _Keys[K]:  # pyright: ignore[reportIncompatibleMethodOverride]  # as sortedcontainers
        """The keys, in order; they have an index."""
        return _Keys(self)

    def values(self) -> _Values[V]:  # pyright: ignore[reportIncompatibleMethodOverride]  # as sortedcontainers
        """The values, in the order of their keys; they have an index."""
        return _Values(self)

    def items(self) -> _Items[K, V]:  # pyright: ignore[reportIncompatibleMethodOverride]  # as sortedcontainers
        """The items, in the order of their keys; they have an index."""
        return _Items(self)


class _Keys(KeysView[K]):
    @overload
    def __getitem__(self, index: SupportsIndex) -> K: ...
    @overload
    def __getitem__(self, index: slice) -> list[K]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> K | list[K]:
        return list(self)[index]


class _Values(ValuesView[V]):
    @overload
    def __getitem__(self, index: SupportsIndex) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> list[V]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> V | list[V]:
        return list(self)[index]


class _Items(ItemsView[K, V]):
    @overload
    def __getitem__(self, index: SupportsIndex) -> tuple[K, V]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[K, V]]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> tuple[K, V] | list[tuple[K, V]]:
        return list(self)[index]
