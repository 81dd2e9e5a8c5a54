"""Hot sources that isolate their subscribers: an exception of one does not affect the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.market import Message
from rxfeed.operators import JoiningObserver, MessageFilter, at, hand_back, place_of_caller

log = logging.getLogger("rxfeed.feed")
T = TypeVar("T")

_MOST_ROUTES = 10_000


class Multicast(Generic[T]):
    """Delivers items to observers. An observer that raises is removed and gets the exception in its `on_error`.

    *failed* is called for each such observer. Any thread may add or dispose of observers; only the producer's thread
    may call `deliver` and `end`.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self.lock = threading.RLock()
        self._filters: dict[abc.ObserverBase[T], MessageFilter | None] = {}
        # Where each observer was subscribed, for `remove_failed`: an observer that raises has often left before.
        self._places: WeakKeyDictionary[abc.ObserverBase[T], str] = WeakKeyDictionary()
        self._ended = False
        self._cause: BaseException | None = None

    def add(self, observer: abc.ObserverBase[T], message_filter: MessageFilter | None = None) -> abc.DisposableBase:
        """Add *observer* for the items that *message_filter* selects (`None`: all); after the end, end it at once."""
        place = place_of_caller()
        with self.lock:
            if not self._ended:
                self._filters[observer], self._places[observer] = message_filter, place
                self._changed()
                return Disposable(lambda: self._leave(observer))
        _end_observer(observer, self._cause)
        return Disposable()

    def observers(self) -> tuple[abc.ObserverBase[T], ...]:
        return tuple(self._filters)

    def deliver(self, observers: tuple[abc.ObserverBase[T], ...], item: T) -> None:
        for observer in observers:
            try:
                observer.on_next(item)
            except Exception as error:
                self.remove_failed(observer, error)

    def end(self, cause: BaseException | None) -> None:
        """Complete every observer, or fail it with *cause*; only the first call has an effect.

        A `SystemExit` or `KeyboardInterrupt` that an observer raises is raised again once all have ended.
        """
        with self.lock:
            if self._ended:
                return
            self._ended, self._cause = True, cause
            observers = self.observers()
            self._filters.clear()
            self._changed()
        unhandled, exit_request = False, None
        for observer in observers:
            try:
                _end_observer(observer, cause)
            except BaseException as error:
                if error is cause:  # if an observer has no on_error, reactivex raises the cause itself
                    unhandled = isinstance(error, Exception)  # others are raised by `run`
                elif not isinstance(error, Exception):
                    exit_request = exit_request or error
                else:
                    self._failed()
                    where = at(self._places.get(observer, ""))
                    log.error("a subscriber raised at the end of the stream%s: %r", where, error, exc_info=error)
        if unhandled:
            log.error(
                "the stream failed, and a subscriber has no on_error for it: %r; give subscribe() an on_error", cause
            )
        if exit_request is not None:
            raise exit_request

    def _leave(self, observer: abc.ObserverBase[T]) -> None:
        with self.lock:
            if observer in self._filters:
                del self._filters[observer]
                self._changed()

    def _changed(self) -> None:
        """Called after the set of observers has changed, with the lock held."""

    def remove_failed(self, observer: abc.ObserverBase[T], error: Exception) -> None:
        """Remove *observer*, which raised *error*: a subscriber did, or an operator without an `on_error` behind it."""
        place = self._places.get(observer, "")
        self._leave(observer)
        self._failed()
        unhandled = hand_back(observer, error)
        if unhandled is not None:
            log_raised(unhandled, place)


def log_raised(error: Exception, place: str) -> None:
    """Log that *error* ended a subscription that was made at *place*."""
    log.error(
        "a subscriber or its pipeline raised and was unsubscribed%s: %r; give subscribe() an on_error to handle it",
        *(at(place), error),
        exc_info=error,
    )


def _end_observer(observer: abc.ObserverBase[Any], cause: BaseException | None) -> None:
    if cause is None:
        observer.on_completed()
    else:
        observer.on_error(cause)  # pyright: ignore[reportArgumentType]  # it accepts any exception


class MessageRouter(Multicast[Message]):
    """The hot source of all messages, which `Dispatcher` delivers.

    The observers of a message are found by one look-up of its type and product.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        super().__init__(failed)
        self.routes: dict[tuple[type[Message], str | None], tuple[abc.ObserverBase[Message], ...]] = {}
        """The observers by type and product; a new dict whenever an observer is added or removed."""
        self.admits: Callable[[type[Message], str | None], bool | None] = lambda kind, product: True
        """Called before a route is stored; `False`: the route is not stored, `None`: its messages are dropped."""
        self.types: frozenset[type[Message]] | None = frozenset()
        """The message types that have an observer; `None`: all types."""
        self._seen: set[tuple[type[Message], str | None]] = set()

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
            observers = tuple(
                observer
                for observer, message_filter in self._filters.items()
                if message_filter is None
                or (
                    message_filter.includes(kind)
                    and (message_filter.products is None or product in message_filter.products)
                )
            )
            if admitted:
                self.routes[kind, product] = observers
        return observers

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
        filters = self._filters.values()
        self.types = (
            None
            if None in filters
            else frozenset().union(*(message_filter.types for message_filter in filters if message_filter is not None))
        )


class SideStream(Observable[T]):
    """A hot source beside the messages. If it has a *newest* item, a late subscriber gets the newest one first."""

    def __init__(self, failed: Callable[[], None], *newest: T) -> None:
        super().__init__()
        self._multicast: Multicast[T] = Multicast(failed)
        self._newest = newest

    def emit(self, item: T) -> None:
        with self._multicast.lock:
            if self._newest:
                self._newest = (item,)
            observers = self._multicast.observers()
        self._multicast.deliver(observers, item)

    def end(self) -> None:
        self._multicast.end(None)

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        with self._multicast.lock:  # so that no newer item comes before the replayed one; no user code runs here
            joining = JoiningObserver(observer, self._newest)
            joined = self._multicast.add(joining)
        try:
            joining.catch_up()
        except Exception as error:
            self._multicast.remove_failed(joining, error)
        return joined
