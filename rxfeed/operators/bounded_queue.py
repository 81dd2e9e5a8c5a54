"""A bounded queue between two threads, with an overflow policy."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import count
from typing import Generic, Literal, TypeVar, get_args

from rxfeed.core import arguments
from rxfeed.errors import WrongProcess

T = TypeVar("T")
Overflow = Literal["block", "drop_oldest", "drop_newest", "latest"]
OVERFLOW_POLICIES: tuple[Overflow, ...] = get_args(Overflow)


class BoundedQueue(Generic[T]):
    """Holds at most *size* items between the thread that puts and the thread that takes.

    *overflow* is the policy for a full queue. `block`: `put` waits. `drop_oldest`, `drop_newest`: an item is dropped,
    and *dropped* is called. `latest`: the queue has only the newest item of each `product_id` at any time; if it is
    full, the item that has waited longest is dropped.
    """

    def __init__(self, size: int, overflow: Overflow, dropped: Callable[[], None] = lambda: None) -> None:
        arguments.positive_integer("size", size)
        arguments.one_of("overflow", overflow, OVERFLOW_POLICIES)
        self.size = size
        self.late = 0
        self._overflow = overflow
        self._dropped = dropped
        self._items: OrderedDict[object, T] | deque[T] = OrderedDict() if overflow == "latest" else deque()
        # Notified when the first item is put, when there are enough, when some were taken, and at the end.
        self._changed = threading.Condition(threading.Lock())
        self._enough = 1
        self._first_at = 0.0
        self._waiting = 0
        self._ended = self._cleared = False
        self._keys = count()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def first(self) -> T | None:
        """The item that is taken next; `None` if the queue is empty."""
        with self._changed:
            return next(iter(self._items.values() if isinstance(self._items, OrderedDict) else self._items), None)

    def put(self, item: T) -> None:
        """Add *item*. After the end it is dropped and counted in `late`, but a `put` that waits at the end adds it."""
        with self._changed:
            if self._ended:
                self.late += 1
                return
            if len(self._items) >= self.size:
                if not self._wait_or_drop():
                    return
                if self._cleared:
                    self.late += 1
                    return
            if isinstance(self._items, OrderedDict):
                self._put_latest(self._items, item)
            else:
                self._items.append(item)
            waiting = len(self._items)
            if waiting == 1:
                self._first_at = time.monotonic()
            if waiting == 1 or waiting == self._enough:
                self._changed.notify_all()

    def _wait_or_drop(self) -> bool:
        if self._overflow == "block":
            self._waiting += 1
            while len(self._items) >= self.size and not self._ended:
                self._changed.wait()
            self._waiting -= 1
        elif self._overflow == "drop_newest":
            self._dropped()
            return False
        elif isinstance(self._items, deque):
            self._items.popleft()
            self._dropped()
        return True

    def _put_latest(self, items: OrderedDict[object, T], item: T) -> None:
        product = getattr(item, "product_id", None)
        # An item without a product is never replaced.
        key = next(self._keys) if product is None else product
        if items.pop(key, None) is not None:
            self._dropped()
        elif len(items) >= self.size:
            items.popitem(last=False)
            self._dropped()
        items[key] = item

    @property
    def is_over(self) -> bool:
        """True if the queue has ended and is empty, so that no item will be taken any more."""
        with self._changed:
            return self._ended and not self._items and not self._waiting

    def take(self, most: int, enough: int = 1, within: float = 0.0, idle: float | None = None) -> list[T]:
        """At most *most* items, when there are *enough* or the first is *within* seconds old; empty after the end.

        *idle*: also empty after so many seconds without an item; `None` waits for ever.
        """
        until = None if idle is None else time.monotonic() + idle
        with self._changed:
            self._enough = min(enough, self.size)
            while (self._waiting and not self._items) if self._ended else len(self._items) < self._enough:
                due = self._first_at + within if self._items else until
                left = None if due is None else due - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            items = self._items
            if isinstance(items, OrderedDict):
                taken = [items.popitem(last=False)[1] for _ in range(min(most, len(items)))]
            else:
                taken = [items.popleft() for _ in range(min(most, len(items)))]
            self._first_at = time.monotonic()
            self._changed.notify_all()
        return taken

    def end(self) -> None:
        """Accept no more items; the items in the queue can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def clear(self) -> int:
        """End, and drop all items in the queue; returns their number."""
        with self._changed:
            self._ended = self._cleared = True
            count_dropped = len(self._items)
            self._items.clear()
            self._changed.notify_all()
            return count_dropped


class ForkedQueue(BoundedQueue[T]):
    """The queue in a forked child process, where no thread takes items: `put` raises."""

    def __init__(self) -> None:
        super().__init__(1, "block")  # a new queue, because the locks of the parent's may never be released

    def put(self, item: T) -> None:
        raise WrongProcess("this sink writes in the parent process; make a new one after the fork")
