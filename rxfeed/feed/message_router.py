"""The hot sources of a feed: the messages, found by their type and product, and the streams beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from reactivex import abc

from rxfeed.market import Heartbeat, Message, PriorTrade, Trade
from rxfeed.operators import MessageFilter, Multicast, at, hand_back, place_of_caller

log = logging.getLogger("rxfeed.feed")
T = TypeVar("T")

_MOST_ROUTES = 10_000
_HELD = (Trade, PriorTrade, Heartbeat)
"""What waits for missing trades: trades, and heartbeats, which let windows end."""


class FeedStream(Multicast[T]):
    """A hot source of a feed: *failed* is called for each subscriber that raises, and the log names its place."""

    def __init__(self, failed: Callable[[], None], *newest: T) -> None:
        super().__init__(*newest)
        self._failed = failed
        # Where each observer was subscribed, for `remove_failed`: an observer that raises has often left before.
        self._places: WeakKeyDictionary[abc.ObserverBase[T], str] = WeakKeyDictionary()
        self._unhandled = False

    def add(self, observer: abc.ObserverBase[T]) -> abc.DisposableBase:
        place = place_of_caller()
        with self.lock:
            self._places[observer] = place
        return super().add(observer)

    def end(self, cause: BaseException | None = None, *, raised: bool = False) -> None:
        """As `Multicast.end`. *raised*: the caller raises *cause*, so it is not logged here."""
        try:
            super().end(cause)
        finally:
            if self._unhandled and not raised:
                log.error(
                    "the stream failed, and a subscriber has no on_error for it: %r; give subscribe() an on_error",
                    cause,
                )
            self._unhandled = False

    def remove_failed(self, observer: abc.ObserverBase[T], error: Exception) -> None:
        place = self._places.get(observer, "")
        self.remove(observer)
        self._failed()
        unhandled = hand_back(observer, error)
        if unhandled is not None:
            log_raised(unhandled, place)

    def _raised_at_end(self, observer: abc.ObserverBase[T], error: Exception, cause: BaseException | None) -> None:
        if error is cause:
            self._unhandled = True  # one log line for all such observers
            return
        self._failed()
        where = at(self._places.get(observer, ""))
        log.error("a subscriber raised at the end of the stream%s: %r", where, error, exc_info=error)


def log_raised(error: Exception, place: str) -> None:
    """Log that *error* ended a subscription that was made at *place*."""
    log.error(
        "a subscriber or its pipeline raised and was unsubscribed%s: %r; give subscribe() an on_error to handle it",
        *(at(place), error),
        exc_info=error,
    )


class MessageRouter(FeedStream[Message]):
    """The hot source of all messages, which `Dispatcher` delivers.

    The observers of a message are found by one look-up of its type and product.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        super().__init__(failed)
        self._filters: dict[abc.ObserverBase[Message], MessageFilter | None] = {}
        self.routes: dict[tuple[type[Message], str | None], tuple[abc.ObserverBase[Message], ...]] = {}
        """The observers by type and product; a new dict whenever an observer is added or removed."""
        self.admits: Callable[[type[Message], str | None], bool | None] = lambda kind, product: True
        """Called before a route is stored; `False`: the route is not stored, `None`: its messages are dropped."""
        self.types: frozenset[type[Message]] | None = frozenset()
        """The message types that have an observer; `None`: all types."""
        self._seen: set[tuple[type[Message], str | None]] = set()
        self.held: dict[str | None, abc.ObserverBase[Message]] = {}
        """By product: what alone gets its trades and heartbeats while they are held."""

    def hold(self, product: str, holder: abc.ObserverBase[Message]) -> None:
        """From now on *holder* gets the trades and heartbeats of *product*, in place of their observers."""
        with self.lock:
            self.held[product], self.routes = holder, {}

    def let_pass(self, product: str) -> None:
        """The observers of *product* get its trades and heartbeats again."""
        with self.lock:
            self.held.pop(product, None)
            self.routes = {}

    def holds(self, message: Message) -> bool:
        """True if *message* is to be held."""
        return message.product_id in self.held and isinstance(message, _HELD)

    def add(
        self, observer: abc.ObserverBase[Message], message_filter: MessageFilter | None = None
    ) -> abc.DisposableBase:
        """Add *observer* for the messages that *message_filter* accepts (`None`: all)."""
        with self.lock:
            if not self._ended:
                self._filters[observer] = message_filter
        return super().add(observer)

    def observers_of(self, kind: type[Message], product: str | None) -> tuple[abc.ObserverBase[Message], ...]:
        """The observers of a message of *kind* and *product*."""
        observers = self.routes.get((kind, product))
        return self.route(kind, product) if observers is None else observers

    def route(self, kind: type[Message], product: str | None) -> tuple[abc.ObserverBase[Message], ...]:
        """The observers of *kind* of *product*, which are then stored in `routes`."""
        admitted = self.admits(kind, product)
        if admitted is None:
            return ()
        with self.lock:
            # Product ids come from the network, so the table needs a bound.
            if len(self.routes) >= _MOST_ROUTES:
                self.routes = {}
            if len(self._seen) < _MOST_ROUTES:
                self._seen.add((kind, product))
            observers = self.subscribed(kind, product)
            if product in self.held and issubclass(kind, _HELD):
                observers = (self.held[product],)
            if admitted:
                self.routes[kind, product] = observers
        return observers

    def subscribed(self, kind: type[Message], product: str | None) -> tuple[abc.ObserverBase[Message], ...]:
        """The observers of *kind* of *product*, even while its messages are held."""
        return tuple(
            observer
            for observer, message_filter in self._filters.items()
            if message_filter is None
            or (
                message_filter.includes(kind)
                and (message_filter.products is None or product in message_filter.products)
            )
        )

    def observed(self, kind: type[Message], product: str | None) -> bool:
        """True if a message of *kind* and *product* has an observer."""
        observers = self.routes.get((kind, product))
        return bool(self.route(kind, product) if observers is None else observers)

    def has_seen(self, kinds: frozenset[type[Message]], product: str | None) -> bool:
        """True if a message of one of *kinds*, of *product* (`None`: any), was routed, or if that is unknown."""
        with self.lock:
            seen = self._seen
            return len(seen) >= _MOST_ROUTES or any(
                issubclass(kind, tuple(kinds)) and product in (None, each) for kind, each in seen
            )

    def _changed(self) -> None:
        self.routes = {}
        self._filters = {observer: self._filters.get(observer) for observer in self.observers}
        filters = self._filters.values()
        self.types = (
            None
            if None in filters
            else frozenset().union(*(message_filter.types for message_filter in filters if message_filter is not None))
        )
