"""Hot sources whose subscribers cannot hurt one another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.market import Message
from rxfeed.operators import JoiningObserver, Wish, at, hand_back, place_of_caller

log = logging.getLogger("rxfeed.feed")
T = TypeVar("T")

_MOST_ROUTES = 10_000


class Crowd(Generic[T]):
    """Observers, each on its own: one that raises is cut off, told through its `on_error`, and counted by *failed*.

    Any thread may join or leave; `deliver` and `end` are for the one that produces.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self.lock = threading.RLock()
        self._wishes: dict[abc.ObserverBase[T], Wish | None] = {}
        # Where each was subscribed. An observer that raises has often left before `cut`, which needs its place.
        self._places: WeakKeyDictionary[abc.ObserverBase[T], str] = WeakKeyDictionary()
        self._over = False
        self._cause: BaseException | None = None

    def join(self, observer: abc.ObserverBase[T], wish: Wish | None = None) -> abc.DisposableBase:
        """Let *observer* in, for what its *wish* names or (`None`) for everything; after the end it is told of that."""
        place = place_of_caller()
        with self.lock:
            if not self._over:
                self._wishes[observer], self._places[observer] = wish, place
                self._changed()
                return Disposable(lambda: self._leave(observer))
        _end(observer, self._cause)
        return Disposable()

    def everybody(self) -> tuple[abc.ObserverBase[T], ...]:
        return tuple(self._wishes)

    def deliver(self, observers: tuple[abc.ObserverBase[T], ...], item: T) -> None:
        for observer in observers:
            try:
                observer.on_next(item)
            except Exception as error:
                self.cut(observer, error)

    def end(self, cause: BaseException | None) -> None:
        """Complete every observer, or fail them with *cause*; only the first call counts.

        A `SystemExit` or `KeyboardInterrupt` that an observer raises is raised again once all have ended.
        """
        with self.lock:
            if self._over:
                return
            self._over, self._cause = True, cause
            observers = self.everybody()
            self._wishes.clear()
            self._changed()
        unhandled, leaving = False, None
        for observer in observers:
            try:
                _end(observer, cause)
            except BaseException as error:
                if error is cause:  # without an on_error of its own, reactivex raises the cause itself
                    unhandled = isinstance(error, Exception)  # others are raised by `run`
                elif not isinstance(error, Exception):
                    leaving = leaving or error
                else:
                    self._failed()
                    where = at(self._places.get(observer, ""))
                    log.error("a subscriber raised at the end of the stream%s: %r", where, error, exc_info=error)
        if unhandled:
            log.error("the stream ended, and a subscriber without on_error cannot tell: %r", cause)
        if leaving is not None:
            raise leaving

    def _leave(self, observer: abc.ObserverBase[T]) -> None:
        with self.lock:
            if observer in self._wishes:
                del self._wishes[observer]
                self._changed()

    def _changed(self) -> None:
        """The observers are others now; called with the lock held."""

    def cut(self, observer: abc.ObserverBase[T], error: Exception) -> None:
        """*error* came out of *observer*: a subscriber raised it, or an operator without an `on_error` behind it."""
        place = self._places.get(observer, "")
        self._leave(observer)
        self._failed()
        unhandled = hand_back(observer, error)
        if unhandled is not None:
            log_raised(unhandled, place)


def log_raised(error: Exception, place: str) -> None:
    """Log that *error* ended a subscription that was made at *place*."""
    log.error(
        "a subscriber or its pipeline raised and was cut off%s: %r; give subscribe() an on_error to handle it",
        *(at(place), error),
        exc_info=error,
    )


def _end(observer: abc.ObserverBase[Any], cause: BaseException | None) -> None:
    if cause is None:
        observer.on_completed()
    else:
        observer.on_error(cause)  # pyright: ignore[reportArgumentType]  # it passes anything on


class Hub(Crowd[Message]):
    """The messages' hot source; `Delivery` hands them out.

    Who wants a type or a product only is found by one look-up, not asked each time.
    """

    def __init__(self, failed: Callable[[], None]) -> None:
        super().__init__(failed)
        self.routes: dict[tuple[type[Message], str | None], tuple[abc.ObserverBase[Message], ...]] = {}
        """Observers by type and product that were asked for; another dict whenever somebody comes or goes."""
        self.admits: Callable[[type[Message], str | None], bool | None] = lambda kind, product: True
        """Called before a route is stored; `False`: it is not to be, `None`: nothing goes there."""
        self.wanted: frozenset[type[Message]] | None = frozenset()
        """The types that somebody wants; `None`: all."""
        self._seen: set[tuple[type[Message], str | None]] = set()

    def who(self, kind: type[Message], product: str | None) -> tuple[abc.ObserverBase[Message], ...]:
        """The observers of a message of *kind* and *product*."""
        observers = self.routes.get((kind, product))
        return self.route(kind, product) if observers is None else observers

    def route(self, kind: type[Message], product: str | None) -> tuple[abc.ObserverBase[Message], ...]:
        """Find the observers of *kind* of *product*, and store them in `routes`."""
        admitted = self.admits(kind, product)
        if admitted is None:
            return ()
        with self.lock:
            # Product ids come from outside: they must not grow the table without bound.
            if len(self.routes) >= _MOST_ROUTES:
                self.routes = {}
            if len(self._seen) < _MOST_ROUTES:
                self._seen.add((kind, product))
            observers = tuple(
                observer
                for observer, wish in self._wishes.items()
                if wish is None or (wish.includes(kind) and (wish.products is None or product in wish.products))
            )
            if admitted:
                self.routes[kind, product] = observers
        return observers

    def has_seen(self, kinds: frozenset[type[Message]], product: str | None) -> bool:
        """Whether a message of one of *kinds*, of *product* (`None`: any), was wanted and came; True if unknown."""
        with self.lock:
            seen = self._seen
            return len(seen) >= _MOST_ROUTES or any(
                issubclass(kind, tuple(kinds)) and product in (None, each) for kind, each in seen
            )

    def _changed(self) -> None:
        self.routes = {}
        wishes = self._wishes.values()
        self.wanted = (
            None if None in wishes else frozenset().union(*(wish.types for wish in wishes if wish is not None))
        )


class SideStream(Observable[T]):
    """A hot source beside the messages; one with a *newest* item keeps it up to date for late subscribers."""

    def __init__(self, failed: Callable[[], None], *newest: T) -> None:
        super().__init__()
        self._crowd: Crowd[T] = Crowd(failed)
        self._newest = newest

    def emit(self, item: T) -> None:
        with self._crowd.lock:
            if self._newest:
                self._newest = (item,)
            observers = self._crowd.everybody()
        self._crowd.deliver(observers, item)

    def end(self) -> None:
        self._crowd.end(None)

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        with self._crowd.lock:  # so that nothing newer overtakes the replayed item; no user code runs in here
            joining = JoiningObserver(observer, self._newest)
            joined = self._crowd.join(joining)
        try:
            joining.catch_up()
        except Exception as error:
            self._crowd.cut(joining, error)
        return joined
