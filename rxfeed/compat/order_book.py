"""The classic order book, in both of its shapes."""

from __future__ import annotations

import logging
import pickle
import threading
import time
from decimal import Decimal
from functools import partial
from typing import Any

from rxfeed.compat.price_levels import BROKEN, Order, SequencedBook
from rxfeed.compat.snapshot import Fetch, Pace, RestClient
from rxfeed.compat.websocket_client import WebsocketClient
from rxfeed.errors import BookEmpty, ConfigError

log = logging.getLogger("rxfeed.compat")

# The types that number the product's sequence; a ticker or a heartbeat only repeats what they have reached.
_NUMBERED = frozenset({"received", "open", "match", "done", "change", "activate"})
_ELSEWHERE = frozenset({"heartbeat", "ticker", "last_match", "auction", "snapshot", "l2update"})
_FIRST_WAIT = 10.0
_WAIT = 0.5


class _State:
    """What the book keeps, made at first need."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.orders = SequencedBook()
        self.pace = Pace()
        self.fetch: Fetch | None = None


class _ReadyAttribute:
    """The descriptor behind `ready`; without a `__set__`, so that a subclass may keep a `ready` of its own."""

    def __get__(self, book: OrderBook | None, owner: type) -> Any:
        return self if book is None else book._OrderBook__book.orders.ready  # pyright: ignore[reportAttributeAccessIssue]  # as the class mangles it


class OrderBook(WebsocketClient):
    """A product's book, order by order, with `Decimal` prices: from its own connection, or from messages given to it.

        book = OrderBook("BTC-USD")         # as the wheel's: it needs auth, since `full` does
        book.auth, book.api_key, book.api_secret, book.api_passphrase = True, key, secret, passphrase
        book.start()

        book = OrderBook("BTC-USD")         # as GitHub master's
        book.process_message(message)

    The first message brings a level 3 snapshot, through `_client.get_product_order_book(product_id, level=3)`; *client*
    is put in its place. It is asked for on another thread. What comes meanwhile is held and replayed; the same after a
    gap in the sequence, where the book of before can be read until the new one is there. `ready` is True while it is
    exact, and `on_ready()` is called when it becomes so. Snapshots that fail, or are too old, are asked for again with
    growing pauses. *log_to* gets every message pickled. *settings* are `WebsocketClient`'s.
    """

    _client: Any = RestClient()
    _log_to: Any = None
    ready = _ReadyAttribute()

    def __init__(self, product_id: Any = "BTC-USD", log_to: Any = None, *, client: Any = None, **settings: Any) -> None:
        if log_to is not None and not hasattr(log_to, "write"):
            raise ConfigError(f"log_to: {log_to!r} has no write()")
        settings.setdefault("channels", ["full"])
        super().__init__(products=product_id, **settings)
        self._client = client if client is not None else RestClient()
        self._log_to = log_to

    @property
    def product_id(self) -> Any:
        """The one product of the book."""
        products = self.products
        if products is None:
            return "BTC-USD"
        return products if isinstance(products, str) else products[0]

    @product_id.setter
    def product_id(self, value: Any) -> None:
        self.products = value

    # ---- hooks

    def on_open(self) -> None:
        self._sequence = -1
        print("-- Subscribed to OrderBook! --\n")  # noqa: T201  # the wheel's own words, here and below

    def on_close(self) -> None:
        print("\n-- OrderBook Socket Closed! --")  # noqa: T201

    def on_message(self, message: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # the wheel's name
        if self._log_to is not None:
            pickle.dump(message, self._log_to)
        self.__take(message)

    def on_sequence_gap(self, gap_start: int, gap_end: int) -> None:
        """The messages between these two sequences were missed: ask for a snapshot."""
        self.reset_book()
        if self.thread is not None:  # the plain object of GitHub master prints nothing
            print(f"Error: messages missing ({gap_start} - {gap_end}). Re-initializing  book at sequence.")  # noqa: T201

    def on_ready(self) -> None:
        """The book is exact, for the first time or again."""

    # ---- messages in

    def process_message(self, message: dict[str, Any]) -> None:
        """Take one message of the feed; those of other products are passed over."""
        if isinstance(message, dict) and message.get("product_id") == self.product_id:
            if self._log_to is not None:
                pickle.dump(message, self._log_to)
            self.__take(message)

    def reset_book(self) -> None:
        """Ask for a snapshot, unless that was done too often of late, and load it if it comes soon."""
        book = self.__book
        with book.lock:
            book.orders.lose()
            if book.fetch is None:
                now = time.monotonic()
                if not book.pace.due(now):
                    return
                book.pace.tried(now)
                ask = self._client.get_product_order_book
                book.fetch = Fetch(partial(ask, self.product_id, level=3))
            fetch, first = book.fetch, book.orders.sequence < 0
        # An old script reads the book right after the message that filled it. The wait ends when the client does.
        until = time.monotonic() + (_FIRST_WAIT if first else _WAIT)
        while not fetch.done.wait(0.05) and time.monotonic() < until and not (self.stop and self.thread is not None):
            pass
        self.__collect()

    def __take(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("product_id") != self.product_id:
            return
        kind, sequence = message.get("type"), message.get("sequence")
        if kind in _ELSEWHERE or isinstance(sequence, bool) or not isinstance(sequence, int):
            return
        if kind not in _NUMBERED:
            log.debug("%s: a message of the unknown type %r counts in the sequence", self.product_id, kind)
        book = self.__book
        with book.lock:
            gap = book.orders.step(message)
        if gap is not None:
            self.on_sequence_gap(*gap)
        elif book.fetch is not None:
            self.__collect()
        elif not book.orders.ready:
            self.reset_book()

    def __collect(self) -> None:
        """Load the snapshot that was asked for, if it is there."""
        book = self.__book
        with book.lock:
            fetch = book.fetch
            if fetch is None or not fetch.done.is_set():
                return
            book.fetch = None
            if fetch.error is not None:
                log.warning("%s: no snapshot: %r", self.product_id, fetch.error)
                return
            try:
                ready = book.orders.load(fetch.result)
            except BROKEN as error:
                log.warning("%s: not a level 3 snapshot: %r", self.product_id, error)
                return
        if ready:
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

    def get_asks(self, price: Any) -> list[Order] | None:
        """The orders at *price*, the oldest first; `None` without any."""
        return self.__level("sell", price)

    def get_bids(self, price: Any) -> list[Order] | None:
        """The orders at *price*, the oldest first; `None` without any."""
        return self.__level("buy", price)

    def get_current_book(self) -> dict[str, Any]:
        """The `sequence`, and as `asks` and `bids` each order's price, size and id, the lowest price first."""
        book = self.__book
        with book.lock:
            sides = book.orders.levels.sides
            return {"sequence": book.orders.sequence, "asks": sides["sell"].rows(), "bids": sides["buy"].rows()}

    def get_current_ticker(self) -> dict[str, Any] | None:
        """The newest match."""
        return self.__book.orders.last_match

    @property
    def _sequence(self) -> int:
        return self.__book.orders.sequence

    @_sequence.setter
    def _sequence(self, value: int) -> None:
        # Scripts put -1 here to have the book made anew.
        book = self.__book
        with book.lock:
            book.orders.sequence = value
            if value < 0:
                book.orders.lose()

    def __best(self, side: str, index: int) -> Decimal:
        book = self.__book
        with book.lock:
            prices = book.orders.levels.sides[side].prices
            if not prices:
                known = "there is none" if book.orders.ready else "the book is not ready"
                raise BookEmpty(f"{self.product_id}: no order to {side}: {known}")
            return prices[index]

    def __level(self, side: str, price: Any) -> list[Order] | None:
        book = self.__book
        with book.lock:
            orders = book.orders.levels.sides[side].levels.get(price)
            return None if orders is None else [dict(order) for order in orders.values()]

    @property
    def __book(self) -> _State:
        found = self.__dict__.get("_OrderBook__rxfeed")
        return found if found is not None else self.__dict__.setdefault("_OrderBook__rxfeed", _State())
