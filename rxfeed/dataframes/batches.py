"""A machine that outputs a frame for every so many items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Frame = TypeVar("Frame")


class Batches(Generic[T, Frame]):
    """Outputs *make*(items) for every *rows* items, and for the rest at the end."""

    __slots__ = ("_items", "_make", "_rows")

    def __init__(self, rows: int | None, make: Callable[[list[T]], Frame]) -> None:
        self._rows = rows
        self._make = make
        self._items: list[T] = []

    def step(self, item: T) -> tuple[Frame, ...]:
        self._items.append(item)
        return self.finish() if len(self._items) == self._rows else ()

    def finish(self) -> tuple[Frame, ...]:
        items, self._items = self._items, []
        return (self._make(items),) if items else ()
