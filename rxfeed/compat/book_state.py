"""What a classic book keeps beside its orders, and its request for a snapshot."""

from __future__ import annotations

import threading

from rxfeed.compat.book_sequence import BookSequence
from rxfeed.compat.snapshot import Fetch, Pace
from rxfeed.compat.types import Hook, Json
from rxfeed.errors import ConfigError

NO_UPDATES = (
    "the book gets no messages of level2_batch or full: it is loaded anew from time to time only; "
    "subscribe the client to level2_batch, or with keys to full"
)


class BookState:
    """The state of one book, made at first need; a copy of a book begins anew."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.where = BookSequence()
        self.pace = Pace()
        self.fetch: Fetch | None = None
        self.failure = ""
        """Why there is no snapshot."""
        self.taking: int | None = None
        """The thread that takes a message."""
        self.preloaded = False
        """The next `snapshot` is in the book already."""

        self.starved = False
        """It was reported that the book gets no updates."""

    def __reduce__(self) -> tuple[object, ...]:
        return BookState, ()


def requested_snapshot(request: Hook, product_id: str) -> Json:
    """A snapshot with every order; of whole levels, if the exchange does not give the orders."""
    try:
        answer = request(product_id, level=3)
    except ConfigError:  # Advanced Trade has none
        return request(product_id, level=2)
    return request(product_id, level=2) if isinstance(answer, dict) and "bids" not in answer else answer


def failure_of(fetch: Fetch, error: Exception) -> str:
    """Why *fetch* has no snapshot; *error*: what it raised, or what reading its result raised."""
    if isinstance(fetch.result, dict) and "message" in fetch.result:
        return f"no snapshot: the exchange answered {fetch.result['message']!r}"
    return f"no snapshot: {error!r}" if error is fetch.error else f"not a snapshot of a book: {error!r}"
