"""The order books of this process: without keys, their clients subscribe to a channel that they can have.

Rules:
- A client that is itself a book gets a snapshot of its product before its first message, because old scripts read the
  book at every message. So what arrives before the snapshot waits for it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakValueDictionary

_LONGEST = 5.0  # seconds that messages wait for a snapshot
# By id, because a subclass may not be hashable.
_books: WeakValueDictionary[int, Any] = WeakValueDictionary()


def add_book(book: Any) -> None:
    """Add *book*, until it is garbage."""
    _books[id(book)] = book


def has_book(client: Any, products: Iterable[str]) -> bool:
    """True if *client* is a book, or a book of one of *products* exists that gets the messages of a client."""
    wanted = set(products)
    if id(client) in _books:
        return client.product_id in wanted
    if not _plain_books(wanted):
        return False
    gc.collect()  # one that the script has let go must not decide
    return _plain_books(wanted)


def _plain_books(products: set[str]) -> bool:
    books = [book for book in list(_books.values()) if book.ws is None and book.thread is None]
    return any(book.product_id in products for book in books)


def with_snapshot_first(client: Any, channels: Any, deliver: Callable[[Any], None]) -> Callable[[Any], None]:
    """*deliver* itself, unless *client* is a book that stands on the levels of *channels*."""
    if id(client) not in _books or not isinstance(channels, list) or "level2_batch" not in channels:
        return deliver
    return _SnapshotFirst(client, deliver).take


class _SnapshotFirst:
    """Holds the first messages until the snapshot of a book has arrived, which the book then loads."""

    def __init__(self, book: Any, deliver: Callable[[Any], None]) -> None:
        self._book = book
        self._deliver = deliver
        self._held: list[Any] | None = []
        self._began = time.monotonic()

    def take(self, content: Any) -> None:
        """Hold the *content* of a message, or deliver it with all that were held."""
        if self._held is None:
            self._deliver(content)
            return
        self._held.append(content)
        named = content if isinstance(content, dict) else {}
        kind = named.get("type")
        if kind == "snapshot" and named.get("product_id") == self._book.product_id:
            self._book._OrderBook__preload(content)
        elif kind != "error" and time.monotonic() - self._began < _LONGEST:
            return
        held, self._held = self._held, None
        for each in held:
            self._deliver(each)
