"""The hot sources of a feed: the messages, found by their type and product, and the streams beside them."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from itertools import chain
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

from reactivex import abc

from rxfeed.feed.stats import CountKey, MessageCount, Stats
from rxfeed.market import Heartbeat, Message, PriorTrade, Trade
from rxfeed.operators import MessageFilter, Multicast, at, hand_back, place_of_caller, remedy

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
        "a subscriber or its pipeline raised and was unsubscribed%s: %r%s; give subscribe() an on_error to handle it",
        *(at(place), error, remedy(error)),
        exc_info=error,
    )


class Route(MessageCount):
    """The observers of the messages of one type and product, and their number."""

    __slots__ = ("_observers", "receivers")

    def __init__(self) -> None:
        super().__init__()
        self.observers = ()

    @property
    def observers(self) -> tuple[abc.ObserverBase[Message], ...]:
        return self._observers

    @observers.setter
    def observers(self, observers: tuple[abc.ObserverBase[Message], ...]) -> None:
        self._observers = observers
        self.receivers = tuple([(each.on_next, each) for each in observers])
        """The bound method that receives a message, and its observer. It is looked up once, not for each message."""


_ByProduct = dict[str | None, Route]


class _Routes(dict[type[Message], _ByProduct]):
    """Routes by type, and then by product."""

    def __missing__(self, kind: type[Message]) -> _ByProduct:
        routes = self[kind] = {}
        return routes


class _Sample:
    """An observer of one message of *route*: calls *each* with it, and leaves."""

    is_stopped = False

    def __init__(self, route: Route, each: Callable[[Message], None], lock: threading.RLock) -> None:
        self._route = route
        self._each = each
        self._lock = lock

    def on_next(self, message: Message) -> None:
        with self._lock:
            self._route.observers = tuple(each for each in self._route.observers if not isinstance(each, _Sample))
        try:
            self._each(message)
        except Exception:
            log.exception("a sample of the messages raised: this is a defect of rxfeed, please report it")

    def on_error(self, error: Exception) -> None:
        """It has no subscription, so no end reaches it."""

    def on_completed(self) -> None:
        """As `on_error`."""


class MessageRouter(FeedStream[Message]):
    """The hot source of all messages, which `Dispatcher` delivers.

    The observers of a message are found by one look-up of its type and product, which also finds its counter.
    """

    def __init__(self, failed: Callable[[], None], stats: Stats) -> None:
        super().__init__(failed)
        self._stats = stats
        self._filters: dict[abc.ObserverBase[Message], MessageFilter | None] = {}
        self.routes = _Routes()
        """The routes that are up to date; a new table whenever an observer is added or removed.

        A route itself stays, in `Stats.counts`, and so does its count.
        """
        self.skimmed: dict[type[Message], _ByProduct | None] = {}
        """The same by type; `None` for a type of which every product so far has observers."""
        self.admits: Callable[[type[Message], str | None], bool | None] = lambda kind, product: True
        """Called before a route is stored; `False`: the route is not stored, `None`: its messages are dropped."""
        self.types: frozenset[type[Message]] | None = frozenset()
        """The message types that have an observer; `None`: all types."""
        self._seen: set[tuple[type[Message], str | None]] = set()
        self.held: dict[str | None, abc.ObserverBase[Message]] = {}
        """By product: what alone gets its trades and heartbeats while they are held."""
        self._shared: Callable[[str | None], bool] | None = None

    def limit_to(self, has: Callable[[str | None], bool]) -> None:
        """From now on only the products that *has* accepts have observers.

        *has* is called at the first message of a type and product that would have observers, and perhaps again.
        """
        with self.lock:
            self._shared = has
            self._renew()

    def hold(self, product: str, holder: abc.ObserverBase[Message]) -> None:
        """From now on *holder* gets the trades and heartbeats of *product*, in place of their observers."""
        with self.lock:
            self.held[product] = holder
            self._renew()

    def let_pass(self, product: str) -> None:
        """The observers of *product* get its trades and heartbeats again."""
        with self.lock:
            self.held.pop(product, None)
            self._renew()

    def _renew(self) -> None:
        """Observers have changed: all routes are looked up again."""
        self.routes, self.skimmed = _Routes(), {}

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

    def route_of(self, kind: type[Message], product: str | None) -> Route:
        """The route of a message of *kind* and *product*."""
        route = self.routes[kind].get(product)
        return self.route(kind, product) if route is None else route

    def unobserved(self, kind: type[Message], product: str | None) -> Route | None:
        """The route of a message of *kind* and *product* that has no observer; `None` if it has one."""
        with self.lock:
            observed = self.subscribed(kind, product) or (product in self.held and issubclass(kind, _HELD))
        return None if observed else self.route_of(kind, product)

    def route(self, kind: type[Message], product: str | None) -> Route:
        """As `route_of`, for a route that is not in `routes`, where it is stored then; on the delivering thread.

        The route of a message that is not admitted is that of its type, and is valid until the next call.
        """
        admitted = self.admits(kind, product)
        with self.lock:
            # Product ids come from the network, so the tables need a bound.
            if len(self._stats.counts) >= _MOST_ROUTES:
                self._forget_products()
            if admitted is None:
                return self._stored((kind, ...), ())
            if len(self._seen) < _MOST_ROUTES:
                self._seen.add((kind, product))
            observers = self.subscribed(kind, product)
            if product in self.held and issubclass(kind, _HELD):
                observers = (self.held[product],)
            if not admitted:
                return self._stored((kind, ...), observers)
            route = self.routes[kind][product] = self._stored((kind, product), observers)
            if not observers:
                self.skimmed[kind] = self.routes[kind]
            else:
                self.skimmed.setdefault(kind, None)
        return route

    def _stored(self, key: CountKey, observers: tuple[abc.ObserverBase[Message], ...]) -> Route:
        counts = self._stats.counts
        route = counts.get(key)
        if not isinstance(route, Route):
            route, before = Route(), route
            route.count = 0 if before is None else before.count
            counts[key] = route
        route.observers = observers
        return route

    def _forget_products(self) -> None:
        """Count by type only what was counted by product so far."""
        folded: dict[CountKey, MessageCount] = {}
        for (kind, _), each in self._stats.counts.items():
            folded.setdefault((kind, ...), Route()).count += each.count
        self._stats.counts = folded
        self._renew()

    def delivered(self, message_filter: MessageFilter | None) -> int:
        """The number of the messages that *message_filter* accepts (`None`: of all messages) so far."""
        return sum(
            each.count
            for (kind, product), each in self._stats.counts.copy().items()
            if message_filter is None
            or (
                message_filter.includes(kind)
                and (message_filter.products is None or product in message_filter.products)
            )
        )

    def take_samples(self, each: Callable[[Message], None], most: int) -> None:
        """Call *each* with the next message of each type and product that has an observer, at most of *most* of them.

        From any thread; *each* is called on the delivering thread, before the observers.
        """
        with self.lock:
            routes = [route for by_product in self.routes.values() for route in by_product.values()]
            first = random.randrange(len(routes)) if len(routes) > most else 0
            for route in chain(routes[first : first + most], routes[: max(0, first + most - len(routes))]):
                if route.observers and not isinstance(route.observers[0], _Sample):
                    sample = cast("abc.ObserverBase[Message]", _Sample(route, each, self.lock))
                    route.observers = (sample, *route.observers)

    def subscribed(self, kind: type[Message], product: str | None) -> tuple[abc.ObserverBase[Message], ...]:
        """The observers of *kind* of *product*, even while its messages are held."""
        observers = tuple(
            observer
            for observer, message_filter in self._filters.items()
            if message_filter is None
            or (
                message_filter.includes(kind)
                and (message_filter.products is None or product in message_filter.products)
            )
        )
        return () if observers and self._shared is not None and not self._shared(product) else observers

    def observed(self, kind: type[Message], product: str | None) -> bool:
        """True if a message of *kind* and *product* has an observer."""
        return bool(self.route_of(kind, product).observers)

    def takes_products_of(self, kinds: frozenset[type[Message]]) -> bool:
        """True if an observer takes messages of one of *kinds*, and not of all products."""
        return any(
            message_filter is not None
            and message_filter.products is not None
            and any(map(message_filter.includes, kinds))
            for message_filter in self._filters.values()
        )

    def has_seen(self, kinds: frozenset[type[Message]], product: str | None) -> bool:
        """True if a message of one of *kinds*, of *product* (`None`: any), was routed, or if that is unknown."""
        with self.lock:
            seen = self._seen
            return len(seen) >= _MOST_ROUTES or any(
                issubclass(kind, tuple(kinds)) and product in (None, each) for kind, each in seen
            )

    def _changed(self) -> None:
        self._renew()
        self._filters = {observer: self._filters.get(observer) for observer in self.observers}
        filters = self._filters.values()
        self.types = (
            None
            if None in filters
            else frozenset().union(*(message_filter.types for message_filter in filters if message_filter is not None))
        )
