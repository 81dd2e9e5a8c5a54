"""The order books of this process: without keys, their clients subscribe to a channel that they can have.

Rules:
- A client that is itself a book gets a snapshot of its product before its first message, because old scripts read the
  book at every message. So what arrives before the snapshot waits for it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from rxfeed.compat.types import Json

if TYPE_CHECKING:
    from rxfeed.compat.order_book import OrderBook

Deliver = Callable[[Json], None]
"""Takes the content of one message."""

_LEVELS = frozenset({"level2_batch", "level2"})
_LONGEST = 5.0  # seconds that messages wait for a snapshot
# By id, because a subclass may not be hashable.
_books: WeakValueDictionary[int, OrderBook] = WeakValueDictionary()


def add_book(book: OrderBook) -> None:
    """Add *book*, until it is garbage."""
    _books[id(book)] = book


def has_book(client: object, products: Iterable[str]) -> bool:
    """True if *client* is a book, or a book of one of *products* exists that gets the messages of a client."""
    wanted = set(products)
    book = _books.get(id(client))
    if book is not None:
        return book.product_id in wanted
    if not _plain_books(wanted):
        return False
    gc.collect()  # one that the script has let go must not decide
    return _plain_books(wanted)


def _plain_books(products: set[str]) -> bool:
    books = [book for book in list(_books.values()) if book.ws is None and book.thread is None]
    return any(book.product_id in products for book in books)


def is_book(client: object) -> bool:
    """True if *client* is itself a book."""
    return id(client) in _books


def with_snapshot_first(client: object, channels: object, deliver: Deliver) -> Deliver:
    """*deliver* itself, unless *client* is a book that stands on the levels of *channels*."""
    book = _books.get(id(client))
    if book is None or not isinstance(channels, list) or _LEVELS.isdisjoint(map(str, channels)):
        return deliver
    return _SnapshotFirst(book, deliver).take


def interrupted(client: object) -> None:
    """Messages of *client* were missed: if it is a book of levels, it is not exact until its next snapshot."""
    book = _books.get(id(client))
    if book is not None:
        book._OrderBook__interrupted()  # pyright: ignore[reportAttributeAccessIssue]  # private: see `take`


class _SnapshotFirst:
    """Holds the first messages until the snapshot of a book has arrived, which the book then loads."""

    def __init__(self, book: OrderBook, deliver: Deliver) -> None:
        self._book = book
        self._deliver = deliver
        self._held: list[Json] | None = []
        self._began = time.monotonic()

    def take(self, content: Json) -> None:
        """Hold the *content* of a message, or deliver it with all that were held."""
        if self._held is None:
            self._deliver(content)
            return
        self._held.append(content)
        named = content if isinstance(content, dict) else {}
        kind = named.get("type")
        if kind == "snapshot" and named.get("product_id") == self._book.product_id:
            # A private method of our own book class, so that it cannot meet a name of a script's subclass.
            self._book._OrderBook__preload(content)  # pyright: ignore[reportAttributeAccessIssue]  # see above
        elif kind != "error" and time.monotonic() - self._began < _LONGEST:
            return
        held, self._held = self._held, None
        for each in held:
            self._deliver(each)
