"""The best levels of a book, at each change of them, or at whole multiples of a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from rxfeed.core import Level2Book
from rxfeed.market import Level, Message


class BookTop(NamedTuple):
    """The best *bids* and *asks* of a product at *at_ns*, after the message of *time* and *received_ns*.

    *ready*: the book is known; if not, it has no prices. *crossed*: the best bid is at or above the best ask, outside
    an auction.
    """

    product_id: str
    at_ns: int
    time: datetime | None
    received_ns: int
    epoch: int
    ready: bool
    crossed: bool
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def differs(self, other: BookTop | None) -> bool:
        """True unless *other* is the same book, whatever its times."""
        return other is None or self[4:] != other[4:]


class BookTops:
    """Outputs the *depth* best levels of each product's book: a `BookTop` for each change of them.

    *every*: at most one for each so many nanoseconds of receipt: the book at the end of each span in which it changed,
    with the end as *at_ns*. 0: each change, with its receipt as *at_ns*. Memory: the books.
    """

    accepts = Level2Book.accepts

    def __init__(self, depth: int, every_ns: int) -> None:
        self._depth = depth
        self._every = every_ns
        self._books: dict[str, Level2Book] = {}
        self._waiting: dict[str, BookTop] = {}  # the newest of a span that has not ended
        self._last: dict[str, BookTop] = {}  # the last that was output

    def step(self, message: Message) -> Iterator[BookTop]:
        product = message.product_id
        if product is None:
            return
        waiting = self._waiting.get(product)
        if waiting is not None and message.received_ns >= waiting.at_ns:
            del self._waiting[product]
            yield from self._output(waiting)
        book = self._books.get(product)
        if book is None:
            book = self._books[product] = Level2Book(product)
        for view in book.step(message):
            bids, asks = view.top(self._depth)
            ns = message.received_ns
            at = (ns // self._every + 1) * self._every if self._every else ns
            top = BookTop(product, at, view.time, ns, message.epoch, view.ready, view.crossed, bids, asks)
            if self._every:
                self._waiting[product] = top
            else:
                yield from self._output(top)

    def finish(self) -> Iterator[BookTop]:
        """The books of spans that have not ended."""
        waiting, self._waiting = self._waiting, {}
        for top in waiting.values():
            yield from self._output(top)

    def _output(self, top: BookTop) -> Iterator[BookTop]:
        if top.differs(self._last.get(top.product_id)):
            self._last[top.product_id] = top
            yield top
