"""The classic order book, in both of its shapes."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from decimal import Decimal
from functools import partial
from typing import Any

from rxfeed.compat import book_levels
from rxfeed.compat.attributes import PerInstance, Replaceable
from rxfeed.compat.book_orders import BROKEN, BookOrders, apply, orders_of, rows
from rxfeed.compat.book_sequence import BookContent, Step, is_ahead, numbered
from rxfeed.compat.book_state import NO_UPDATES, BookState, failure_of, requested_snapshot
from rxfeed.compat.books import add_book
from rxfeed.compat.errors import BookEmpty
from rxfeed.compat.levels import SortedLevels
from rxfeed.compat.public_client import PublicClient
from rxfeed.compat.snapshot import Fetch
from rxfeed.compat.types import Attribute, Content, Given, Json, SnapshotClient
from rxfeed.compat.websocket_client import WebsocketClient
from rxfeed.errors import ConfigError

log = logging.getLogger("rxfeed.compat")

_FIRST_WAIT = 10.0
_WAIT = 0.5


class OrderBook(BookOrders, WebsocketClient):
    """A product's book, with `Decimal` prices: from its own connection, or from messages given to it.

        book = OrderBook("BTC-USD")         # as the wheel's, and GitHub's until 2023: a client
        book.start()

        book = OrderBook("BTC-USD")         # as GitHub master's
        book.process_message(message)

    With keys (`auth`, `api_key`, `api_secret`, `api_passphrase`) it is made of the orders of `full`. Without keys it is
    made of `level2_batch` (on Advanced Trade, of `level2`): then each price has one order with the whole size.

    The first message, of any type, loads a snapshot through `_client.get_product_order_book(product_id, level=3)`;
    *client* is put in its place. It is requested on another thread. What comes meanwhile is held and replayed; the same
    after a gap in the sequence, where the book of before can be read until the new one is there. `ready` is True while
    it is exact, and `on_ready()` is called when it becomes so. Snapshots that fail, or are too old, are requested again
    with growing pauses. *log_to* gets every message pickled. *settings* are `WebsocketClient`'s.
    """

    _client: Attribute = PerInstance(PublicClient)
    _log_to: Attribute = None
    ready = Replaceable("_OrderBook__is_ready")

    def __init__(
        self,
        product_id: Given = "BTC-USD",
        log_to: Given = None,
        *,
        client: SnapshotClient | None = None,
        **settings: Any,
    ) -> None:
        if log_to and not hasattr(log_to, "write"):
            raise ConfigError(f"log_to: {log_to!r} has no write()")
        settings.setdefault("channels", ["full"])
        super().__init__(products=product_id, **settings)
        self._asks, self._bids = SortedLevels(), SortedLevels()
        self._client = client if client is not None else PublicClient(venue=settings.get("venue"))
        self._log_to = log_to
        self._current_ticker = None
        add_book(self)

    @property
    def product_id(self) -> str:
        """The one product of the book."""
        products = self.products
        if products is None:
            return "BTC-USD"
        return products if isinstance(products, str) else products[0]

    @product_id.setter
    def product_id(self, value: str) -> None:
        self.products = value

    # ---- hooks

    def on_open(self) -> None:
        self._sequence = -1
        print("-- Subscribed to OrderBook! --\n")  # noqa: T201  # the wheel's own words, here and below

    def on_close(self) -> None:
        print("\n-- OrderBook Socket Closed! --")  # noqa: T201  # the wheel's own words

    def on_message(self, message: Json) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # the wheel's name
        if self._log_to:
            pickle.dump(message, self._log_to)
        self.__take(message)

    def on_sequence_gap(self, gap_start: int, gap_end: int) -> None:
        """The messages between these two sequences were missed: request a snapshot."""
        self.reset_book()
        if self.thread is not None:  # the plain object of GitHub master prints nothing
            # The wheel's own words.
            print(f"Error: messages missing ({gap_start} - {gap_end}). Re-initializing  book at sequence.")  # noqa: T201

    def on_ready(self) -> None:
        """The book is exact, for the first time or again."""

    # ---- messages in

    def process_message(self, message: Content) -> None:
        """Take one message of the feed; those of other products are passed over."""
        if isinstance(message, dict) and message.get("product_id") == self.product_id:
            if self._log_to:
                pickle.dump(message, self._log_to)
            self.__take(message)

    def reset_book(self) -> None:
        """Request a snapshot, and load it if it arrives soon; if that cannot be done now, a warning has the reason."""
        book = self.__book
        with book.lock:
            if book.where.source is BookContent.LEVELS and book.where.sequence >= 0:
                log.warning("%s: %s", self.product_id, book_levels.NO_RESET)
                return
            automatic = book.taking == threading.get_ident()
            first = book.where.sequence < 0
            book.where.lose()
            if book.fetch is None:
                now = time.monotonic()
                if not book.pace.due(now):
                    level = logging.DEBUG if automatic else logging.WARNING
                    log.log(level, "%s: too many snapshots were requested of late: the next message that comes after a "
                            "pause requests one", self.product_id)  # fmt: skip
                    return
                book.pace.tried(now)
                book.fetch = Fetch(partial(requested_snapshot, self._client.get_product_order_book, self.product_id))
            fetch = book.fetch
        # An old script reads the book right after the message that filled it. The wait ends when the client does.
        until = time.monotonic() + (_FIRST_WAIT if first or not automatic else _WAIT)
        while not fetch.done.wait(0.05) and time.monotonic() < until and not (self.stop and self.thread is not None):
            pass
        self.__collect()

    def __take(self, message: Json) -> None:
        if not isinstance(message, dict):
            return
        book = self.__book
        with book.lock:
            before, book.taking = book.taking, threading.get_ident()
            try:
                self.__take_locked(message)
            finally:
                book.taking = before

    def __take_locked(self, message: Content) -> None:
        book, where = self.__book, self.__book.where
        ours = message.get("product_id") == self.product_id
        if ours and where.see(message):
            where.sequence, where.ready = -1, False  # the orders of the levels are needed now
        if ours and where.source is BookContent.LEVELS:
            if where.sequence < 0 and message.get("type") != "snapshot":
                self.__load_first()
            self.__take_level(message)
        elif ours and numbered(message):
            self.__take_order(message)
        elif where.sequence < 0:
            self.__load_first()
        elif book.fetch is not None:
            self.__collect()
        elif ours and where.source is BookContent.UNDECIDED and is_ahead(message, where.sequence):
            self.__refresh(message["sequence"])

    def __refresh(self, sequence: int) -> None:
        """Request a snapshot for a book that gets neither orders nor levels, as the classics did at each ticker."""
        book = self.__book
        if not book.starved:
            book.starved = True
            log.warning("%s: %s", self.product_id, NO_UPDATES)
        if book.pace.due(time.monotonic()):
            last = book.where.sequence
            book.where.lose()
            self.on_sequence_gap(last, sequence)

    def __take_order(self, message: Content) -> None:
        book, where = self.__book, self.__book.where
        last = where.sequence
        step = where.step(message)
        if step is Step.HELD:
            self.__load_first()
        elif step is Step.GAP or (step is Step.APPLY and not self.__apply(message)):
            # What cannot be read is as good as missed; only a missed one is worth keeping.
            where.lose(message if step is Step.GAP else None)
            self.on_sequence_gap(last, message["sequence"])
        elif book.fetch is not None:
            self.__collect()

    def __take_level(self, message: Content) -> None:
        book, where = self.__book, self.__book.where
        if message.get("type") == "snapshot" and book.preloaded:
            book.preloaded = False
            return
        try:
            loaded = book_levels.apply(self, message)
        except BROKEN as error:
            log.warning("%s: a message %r cannot be read: %r", self.product_id, message.get("type"), error)
            return
        where.sequence = book_levels.sequence_after(message, where.sequence)
        if loaded:
            where.ready = True
            self.on_ready()

    def __preload(self, message: Content) -> None:
        """Load the snapshot of levels that arrives after messages which a script may read the book at."""
        with self.__book.lock:
            self.__book.where.see(message)
            self.__take_level(message)
            self.__book.preloaded = self.__book.where.ready

    def __interrupted(self) -> None:
        """Messages were missed: levels are exact again with the snapshot that is on its way."""
        with self.__book.lock:
            if self.__book.where.source is BookContent.LEVELS:
                self.__book.where.ready = False

    def __load_first(self) -> None:
        if self.__book.fetch is not None:
            self.__collect()
        else:
            self.reset_book()

    def __apply(self, message: Content) -> bool:
        """Change the book by *message*; False if its shape is wrong."""
        if not apply(self, message):
            return False
        self.__book.where.sequence = message["sequence"]
        return True

    def __collect(self) -> None:
        """Load the snapshot that was requested, if it has arrived."""
        book = self.__book
        with book.lock:
            fetch = book.fetch
            if fetch is None or not fetch.done.is_set():
                return
            book.fetch = None
            try:
                if fetch.error is not None:
                    raise fetch.error
                orders, sequence = list(orders_of(fetch.result)), int(fetch.result["sequence"])
            except Exception as error:
                book.failure = failure_of(fetch, error)
                log.warning("%s: %s", self.product_id, book.failure)
                return
            self._asks, self._bids, book.failure = SortedLevels(), SortedLevels(), ""
            for order in orders:
                self.add(order)
            self.__replay(sequence)

    def __replay(self, sequence: int) -> None:
        where = self.__book.where
        if where.source is BookContent.LEVELS:  # exact only with the snapshot of the channel itself
            where.sequence = sequence
            return
        for message in where.begin(sequence):
            if not where.ready:
                where.lose(message)
            elif not self.__apply(message):
                where.lose()
        if where.held:  # after a gap
            where.lose()
        if where.ready:
            self.on_ready()
        else:
            log.info("%s: the snapshot is older than what has come since: another is needed", self.product_id)

    # ---- the book

    def get_ask(self) -> Decimal:
        """The lowest price of a sell order; raises `BookEmpty`."""
        return self.__best("sell", 0)

    def get_bid(self) -> Decimal:
        """The highest price of a buy order; raises `BookEmpty`."""
        return self.__best("buy", -1)

    def get_current_book(self) -> Content:
        """The `sequence`, and as `asks` and `bids` each order's price, size and id, the lowest price first."""
        book = self.__book
        with book.lock:
            return {"sequence": book.where.sequence, "asks": rows(self._asks), "bids": rows(self._bids)}

    @property
    def _sequence(self) -> int:
        return self.__book.where.sequence

    @_sequence.setter
    def _sequence(self, value: int) -> None:
        book = self.__book
        with book.lock:
            if value < 0:  # scripts put -1 here to have the book made anew
                book.where.sequence = value
                book.where.lose()
            elif book.where.ready:
                book.where.sequence = value
            else:  # a `reset_book` of the script's own has loaded the book
                self.__replay(value)

    def __best(self, side: str, index: int) -> Decimal:
        book = self.__book
        with book.lock:
            levels = self._asks if side == "sell" else self._bids
            if not levels:
                known = "there is none" if book.where.ready else book.failure or "the book is not ready"
                raise BookEmpty(f"{self.product_id}: no order to {side}: {known}")
            return levels.peekitem(index)[0]

    def __is_ready(self) -> bool:
        return self.__book.where.ready

    @property
    def __book(self) -> BookState:
        found = self.__dict__.get("_OrderBook__rxfeed")
        return found if found is not None else self.__dict__.setdefault("_OrderBook__rxfeed", BookState())
