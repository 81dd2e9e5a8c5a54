"""The order books of this process, since a client without keys subscribes for them to a channel that it can have."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

# By id, because a subclass may not be hashable.
_books: WeakValueDictionary[int, Any] = WeakValueDictionary()


def add_book(book: Any) -> None:
    """Add *book*, until it is garbage."""
    _books[id(book)] = book


def products_with_books() -> set[str]:
    """The products of all books that exist."""
    products = [getattr(book, "product_id", None) for book in list(_books.values())]
    return {each for each in products if isinstance(each, str)}
