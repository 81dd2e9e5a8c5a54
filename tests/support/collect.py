"""Everything that an Observable emits, and how to wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable

T = TypeVar("T")


class Collected(Generic[T]):
    """Subscribes at once; `items`, `error` and `completed` have what was received."""

    def __init__(self, source: Observable[T]) -> None:
        self.items: list[T] = []
        self.error: Exception | None = None
        self.completed = False
        self._changed = threading.Condition()
        self.subscription = source.subscribe(self._next, self._error, self._completed)

    def wait_for(self, ready: Callable[[list[T]], Any] | int, timeout: float = 30) -> list[T]:
        """The items, as soon as there are so many, or *ready* returns true."""
        enough = ready if callable(ready) else (lambda items: len(items) >= ready)
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self.items), timeout):
                raise AssertionError(f"after {timeout} s: {len(self.items)} items, {self.items[-3:]}, {self.error!r}")
        return self.items

    def wait_for_end(self, timeout: float = 30) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.completed or self.error is not None, timeout):
                raise AssertionError(f"no end after {timeout} s: {len(self.items)} items")

    def _next(self, item: T) -> None:
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def _error(self, error: Exception) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def _completed(self) -> None:
        with self._changed:
            self.completed = True
            self._changed.notify_all()
