"""Hot sources that isolate their subscribers: an exception of one does not affect the others.

Rules:
- Any thread may add or dispose of observers. Only the producer's thread emits and ends; calls of it are serialised.
- No lock is held while an observer runs.
- An observer that raises is removed, and gets the exception in its own `on_error`. If that does not handle it, it is
  logged.
- With *latest*, a late observer gets the newest item first, on its own thread. See `JoiningObserver`.
"""

from __future__ import annotations

import threading
from typing import Never, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxfeed.operators.joining import JoiningObserver
from rxfeed.operators.unhandled import hand_back, log_at_end, log_unhandled

T = TypeVar("T")


class Multicast(Observable[T]):
    """A hot source, which `emit` and `end` feed.

    *latest*: a late subscriber gets the newest item first. *newest*: the first such item. *lock* guards the list of
    observers; `None`: one of its own.
    """

    def __init__(self, *newest: T, latest: bool = False, lock: threading.RLock | None = None) -> None:
        super().__init__()
        self.lock = threading.RLock() if lock is None else lock
        self.observers: tuple[abc.ObserverBase[T], ...] = ()
        """A new tuple whenever an observer is added or removed."""
        self._latest = latest or bool(newest)
        self._newest = newest
        self._ended = False
        self._cause: BaseException | None = None

    # ---- observers

    def add(self, observer: abc.ObserverBase[T]) -> abc.DisposableBase:
        """Add *observer*; after the end, end it at once."""
        with self.lock:
            if not self._ended:
                self.observers += (observer,)
                self._changed()
                return Disposable(lambda: self.remove(observer))
        end_observer(observer, self._cause)
        return Disposable()

    def remove(self, observer: abc.ObserverBase[T]) -> None:
        """Remove *observer*, if it is there."""
        with self.lock:
            observers = tuple(each for each in self.observers if each is not observer)
            if len(observers) < len(self.observers):
                self.observers = observers
                self._changed()

    def _changed(self) -> None:
        """Called after the observers have changed, with the lock held."""

    def _subscribe_core(
        self, observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        if not self._latest:
            return self.add(observer)
        joining = self.join_late(observer)
        self.catch_up(joining)
        return Disposable(lambda: self.remove(joining))

    def join_late(self, observer: abc.ObserverBase[T]) -> JoiningObserver[T]:
        """Add *observer*; the newest item and all further ones wait until `catch_up`."""
        with self.lock:  # so that no newer item comes before the replayed one; no user code runs here
            joining = JoiningObserver(observer, self._newest)
            self.add(joining)
        return joining

    def catch_up(self, joining: JoiningObserver[T]) -> None:
        """Emit what waits for *joining*, on the calling thread."""
        try:
            joining.catch_up()
        except Exception as error:
            self.remove_failed(joining, error)

    # ---- items and the end

    def emit(self, item: T) -> None:
        """Deliver *item* to all observers."""
        if self._latest:
            with self.lock:
                self._newest = (item,)
                observers = self.observers
        else:
            observers = self.observers
        self.deliver(observers, item)

    def deliver(self, observers: tuple[abc.ObserverBase[T], ...], item: T) -> None:
        """Deliver *item* to *observers*."""
        for observer in observers:
            try:
                observer.on_next(item)
            except Exception as error:
                self.remove_failed(observer, error)

    def end(self, cause: BaseException | None = None) -> None:
        """Complete all observers, or fail them with *cause*, and end later ones at once; the first call has an effect.

        A `SystemExit` or `KeyboardInterrupt` that an observer raises is raised again once all have ended.
        """
        with self.lock:
            if self._ended:
                return
            self._ended, self._cause = True, cause
        self.end_current(cause)

    def end_current(self, cause: BaseException | None = None) -> None:
        """As `end`, for the current observers only: later ones wait for further items."""
        with self.lock:
            observers, self.observers = self.observers, ()
            self._changed()
        exit_request = None
        for observer in observers:
            try:
                end_observer(observer, cause)
            except Exception as error:
                self._raised_at_end(observer, error, cause)
            except BaseException as error:
                if error is not cause:  # the cause is raised by the source's `run`
                    exit_request = exit_request or error
        if exit_request is not None:
            raise exit_request

    # ---- failures of observers

    def remove_failed(self, observer: abc.ObserverBase[T], error: Exception) -> None:
        """Remove *observer*, which raised *error*: a subscriber did, or an operator without an `on_error` behind it."""
        self.remove(observer)
        log_unhandled(hand_back(observer, error))

    def _raised_at_end(self, observer: abc.ObserverBase[T], error: Exception, cause: BaseException | None) -> None:
        """Called if *observer* raised *error* at the end; without an `on_error`, reactivex raises *cause* itself."""
        log_at_end(error)


def end_observer(observer: abc.ObserverBase[Never], cause: BaseException | None) -> None:
    """Complete *observer*, or fail it with *cause*."""
    if cause is None:
        observer.on_completed()
    else:
        observer.on_error(cause)  # pyright: ignore[reportArgumentType]  # it accepts any exception
