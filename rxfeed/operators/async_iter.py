"""From Rx to `async for`."""

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

_AT_ONCE = 256


class AsyncItems(AsyncIterable[T], Generic[T]):
    """What `to_async_iterable` returns: each `async for` over it subscribes for itself."""

    def __init__(
        self, source: Observable[T], size: int, overflow: Overflow, subscribed: Callable[[], None] | None
    ) -> None:
        BoundedQueue(size, overflow)  # so that bad arguments are told here
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
            inbox.close()  # first, so that a producer which waits for room goes on
            subscription.dispose()

    def _count_dropped(self) -> None:
        with self._lock:
            self.dropped += 1


class _Inbox(Generic[T]):
    """A `BoundedQueue` whose taker is a coroutine: woken through its loop, and only when it waits."""

    def __init__(self, size: int, overflow: Overflow, dropped: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._blocks = overflow == "block"
        self._items: BoundedQueue[T] = BoundedQueue(size, overflow, dropped)
        self._ready = asyncio.Event()
        self._waiting = False
        self._over = False
        self.error: Exception | None = None

    # ---- the source's thread

    def put(self, item: T) -> None:
        if self._blocks and len(self._items) >= self._items.size and threading.get_ident() == self._thread:
            self.fail(RxfeedError(f"over {self._items.size} items at once, from the thread that is to take them"))
            return
        self._items.put(item)
        self._wake()

    def fail(self, error: Exception) -> None:
        if not self._over:
            self.error = error
        self.end()

    def end(self) -> None:
        self._over = True
        self._items.end()
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._waiting = False
            try:
                self._loop.call_soon_threadsafe(self._ready.set)
            except RuntimeError:  # the loop is closed: nobody waits any more
                self.close()

    # ---- the coroutine

    async def take(self) -> list[T]:
        """What is there, once there is something; empty at the end."""
        while not len(self._items):
            self._ready.clear()
            self._waiting = True
            # Only now, since whoever put before that has woken nobody.
            if len(self._items):
                break
            if self._over:
                return []
            await self._ready.wait()
        self._waiting = False
        return self._items.take(_AT_ONCE)

    def close(self) -> None:
        self._over = True
        self._items.clear()


def to_async_iterable(
    source: Observable[T],
    size: int = 10_000,
    overflow: Overflow = "block",
    *,
    subscribed: Callable[[], None] | None = None,
) -> AsyncItems[T]:
    """The items of *source*, for `async for`: at most *size* of them wait between its thread and the event loop.

        >>> async def prices(source):
        ...     return [str(t.price) async for t in to_async_iterable(source)]
        >>> asyncio.run(prices(reactivex.of(ticker(9), ticker(11))))
        ['9', '11']

    At the bound *overflow* decides, as for `bounded`: `"block"` makes the source wait, `"drop_oldest"` and
    `"drop_newest"` drop, `"latest"` keeps only the newest item of each product; `.dropped` counts. A source that runs
    in the event loop's own thread cannot wait for it: more than *size* at once raise `RxfeedError` there.

    The loop begins with the subscription, and then connects the feed or the replay that *source* is a pipeline of, so
    that nothing is missed; *subscribed* is called in place of that. It ends when the source completes, raises what it
    failed with, and a loop that is left unsubscribes. Items, their order and their `epoch` are the source's. No thread
    is started; O(1) an item, memory by *size*.
    """
    if subscribed is None and isinstance(source, Rooted):
        subscribed = source.root.connect
    return AsyncItems(source, size, overflow, subscribed)
