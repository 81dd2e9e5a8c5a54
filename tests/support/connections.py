"""Feeds of several connections: their books, and what tests of them wait for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rxfeed import Feed, Reconnect
from rxfeed.core import Level2Book
from rxfeed.market import BookSnapshot, BookUpdate, Message
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.scenes import of

VENUES = ["coinbase_exchange", "coinbase_advanced"]
ADVANCED = "coinbase_advanced"
BTC, ETH = "BTC-USD", "ETH-USD"
AT_ONCE = Reconnect(initial=0, maximum=0)


def products(count: int) -> list[str]:
    return [f"P{number}-USD" for number in range(count)]


def until(ready: Callable[[], Any], timeout: float = 20, every: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        every()
        time.sleep(0.005)


def until_more(
    status: Collected[Any], kind: type[Any], before: int, every: Callable[[], object] = lambda: None
) -> None:
    """Wait for more than *before* events of *kind*."""
    until(lambda: len(of(status, kind)) > before, every=every)


class Books:
    """The books of a feed, and the epochs of their messages."""

    def __init__(self, feed: Feed, names: list[str]) -> None:
        self.views: dict[str, Any] = {}
        self.epochs: dict[str, set[int]] = {name: set() for name in names}
        self.snapshots: Counter[str] = Counter()
        self._machines = {name: Level2Book(name, 10_000) for name in names}
        feed.subscribe(self._next)

    def _next(self, message: Message) -> None:
        if isinstance(message, BookSnapshot | BookUpdate):
            name = str(message.product_id)
            self.snapshots[name] += isinstance(message, BookSnapshot)
            self.epochs[name].add(message.epoch)
            for view in self._machines[name].step(message):
                self.views[name] = view

    def compare(self, exchange: Exchange, timeout: float = 60) -> None:
        """Wait until each book was equal to the exchange's own, which is ahead of it by a part of a batch at times."""
        left = set(self._machines)
        deadline = time.monotonic() + timeout
        while left:
            assert time.monotonic() < deadline, sorted(left)
            exchange.advance(0.05)
            exchange.drain()
            time.sleep(0.005)
            left -= {name for name in left if self._is_equal(exchange, name)}

    def _is_equal(self, exchange: Exchange, name: str) -> bool:
        view, book = self.views.get(name), exchange.book(name)
        if view is None:
            return False
        return {side: [(each[0], each[1]) for each in getattr(view, side)] for side in ("bids", "asks")} == book


def connections_of(status: Collected[Any], kind: type[Any]) -> list[int]:
    return [each.connection for each in of(status, kind)]
