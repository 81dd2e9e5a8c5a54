"""From an Observable to `async for`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Generic, TypeVar

from reactivex import Observable

from rxfeed.errors import RxfeedError
from rxfeed.operators.bounded_queue import BoundedQueue, Overflow
from rxfeed.operators.source import Rooted

T = TypeVar("T")

_BATCH = 256


class AsyncItems(AsyncIterable[T], Generic[T]):
    """The result of `to_async_iterable`; each `async for` over it makes its own subscription."""

    def __init__(
        self, source: Observable[T], size: int, overflow: Overflow, subscribed: Callable[[], None] | None
    ) -> None:
        BoundedQueue(size, overflow)  # raises here if the arguments are invalid
        self._source, self._size, self._subscribed = source, size, subscribed
        self._overflow: Overflow = overflow
        self._lock = threading.Lock()
        self.dropped = 0

    def __aiter__(self) -> AsyncIterator[T]:
        return self._items()

    async def _items(self) -> AsyncIterator[T]:
        inbox: _Inbox[T] = _Inbox(self._size, self._overflow, self._count_dropped)
        subscription = self._source.subscribe(inbox.put, inbox.fail, inbox.end)
        try:
            if self._subscribed is not None:
                self._subscribed()
            while items := await inbox.take():
                for item in items:
                    yield item
            if inbox.error is not None:
                raise inbox.error
        finally:
            inbox.close()  # first, so that a producer that waits for a full queue continues
            subscription.dispose()

    def _count_dropped(self) -> None:
        with self._lock:
            self.dropped += 1


class _Inbox(Generic[T]):
    """A `BoundedQueue` with a coroutine as its consumer, which is woken through its loop, only while it waits."""

    def __init__(self, size: int, overflow: Overflow, dropped: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._blocks = overflow == "block"
        self._items: BoundedQueue[T] = BoundedQueue(size, overflow, dropped)
        self._ready = asyncio.Event()
        self._waiting = False
        self._ended = False
        self.error: Exception | None = None

    # ---- the source's thread

    def put(self, item: T) -> None:
        if self._blocks and len(self._items) >= self._items.size and threading.get_ident() == self._thread:
            self.fail(
                RxfeedError(
                    f"to_async_iterable: more than {self._items.size} items at once from the event loop's own thread: "
                    "raise size, or set overflow to drop items"
                )
            )
            return
        self._items.put(item)
        self._wake()

    def fail(self, error: Exception) -> None:
        if not self._ended:
            self.error = error
        self.end()

    def end(self) -> None:
        self._ended = True
        self._items.end()
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._waiting = False
            try:
                self._loop.call_soon_threadsafe(self._ready.set)
            except RuntimeError:  # the loop is closed, so no coroutine waits
                self.close()

    # ---- the coroutine

    async def take(self) -> list[T]:
        """The waiting items, as soon as there is one; empty at the end."""
        while not len(self._items):
            self._ready.clear()
            self._waiting = True
            # Checked after `_waiting` is set, because an earlier `put` did not wake this coroutine.
            if len(self._items):
                break
            if self._ended:
                return []
            await self._ready.wait()
        self._waiting = False
        return self._items.take(_BATCH)

    def close(self) -> None:
        self._ended = True
        self._items.clear()


def to_async_iterable(
    source: Observable[T],
    size: int = 10_000,
    overflow: Overflow = "block",
    *,
    subscribed: Callable[[], None] | None = None,
) -> AsyncItems[T]:
    """The items of *source* for `async for`; at most *size* items wait between its thread and the event loop.

        >>> import asyncio
        >>> import reactivex
        >>> from rxfeed import to_async_iterable
        >>> from rxfeed.testing import ticker
        >>> async def prices(source):
        ...     return [str(t.price) async for t in to_async_iterable(source)]
        >>> asyncio.run(prices(reactivex.of(ticker(9), ticker(11))))
        ['9', '11']

    *overflow* is the policy for more, as in `bounded`: `"block"` makes the source wait, `"drop_oldest"` and
    `"drop_newest"` drop, `"latest"` keeps only the newest item of each product. `.dropped` counts dropped items. A
    source on the event loop's own thread cannot wait for the loop: there, more than *size* items at once raise
    `RxfeedError`.

    The loop first subscribes, and then connects the feed or the replay of the pipeline *source*, so that no message is
    missed. If *subscribed* is given, it is called instead of that. The loop ends when the source completes, and raises
    the exception that the source failed with. Leaving the loop unsubscribes. Items, order and `epoch` do not change. No
    thread is started. O(1) an item; memory: *size* items.
    """
    if subscribed is None and isinstance(source, Rooted):
        subscribed = source.root.connect
    return AsyncItems(source, size, overflow, subscribed)
